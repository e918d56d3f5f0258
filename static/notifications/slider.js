/** A slider that moves the number beside it, and follows it. Only the number is sent. */
export class Slider {
  constructor(field) {
    const slider = field.querySelector("[data-slider]");
    const number = field.querySelector("input[type=number]");
    slider.addEventListener("input", () => {
      number.value = slider.value;
      number.dispatchEvent(new Event("change", { bubbles: true }));
    });
    number.addEventListener("input", () => {
      if (number.value !== "") slider.value = number.value;
    });
    slider.value = number.value; // after "back" the browser fills in the number alone
  }
}
