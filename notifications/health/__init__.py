"""How well insights reach people: counted from the rows once a minute, so that looking at it costs next to nothing."""
