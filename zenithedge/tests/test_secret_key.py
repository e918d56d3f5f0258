import os
import subprocess
import sys
from pathlib import Path

from zenithedge.secret_key import load_or_create_secret_key

PROCESSES = 8


def test_the_key_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "var" / "secret_key"

    key = load_or_create_secret_key(path)

    assert len(key) >= 50
    assert load_or_create_secret_key(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(path.parent) == ["secret_key"]


def test_processes_that_start_at_once_use_the_same_key(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from zenithedge.secret_key import load_or_create_secret_key\n"
        "sys.stdin.readline(); print(load_or_create_secret_key(Path(sys.argv[1])))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "secret_key")]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)
    ]
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()

    keys = {process.communicate(timeout=30)[0] for process in processes}

    assert len(keys) == 1
    assert len(keys.pop().strip()) >= 50
