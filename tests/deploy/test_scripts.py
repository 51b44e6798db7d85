"""What the image holds is built here without a container engine, and works for nobody.

The libraries are those of this environment, so that no network is asked; only
`libraries.sh` itself installs, a library made for the purpose.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parent.parent.parent
NOBODY = 65534


@pytest.fixture(scope="module")
def built() -> Iterator[Path]:
    """Not among pytest's folders: whichever pytest starts next shuts the others out of those."""
    with tempfile.TemporaryDirectory(prefix="assay-built-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def prefix(built: Path) -> Path:
    """An environment with this tree's wheel, trimmed; its libraries are linked, not copied."""
    prefix = built / "assay"
    _run(_python(), "-m", "venv", "--without-pip", str(prefix))
    libraries = Path(pytest.__file__).parent.parent
    (_packages(prefix) / "libraries.pth").write_text(f"{libraries}\n")
    _let_others_in(prefix)
    assert _script("program", prefix).returncode == 0
    assert _script("trim", prefix).returncode == 0
    return prefix


def test_what_was_built_works_for_a_user_who_may_write_to_one_folder_only(prefix: Path) -> None:
    proof = _script("proof", prefix)

    assert proof.returncode == 0, proof.stderr
    assert proof.stdout.startswith("assay 0.")
    assert "hello" in proof.stdout, "the example's execution is listed"
    assert "completed" in proof.stdout


def test_nobody_may_write_to_what_was_built(prefix: Path) -> None:
    paths = [path for path in prefix.rglob("*") if not path.is_symlink()]

    assert [path for path in paths if path.stat().st_mode & 0o222] == []
    assert [path for path in paths if not path.stat().st_mode & 0o004] == []


def test_what_was_built_is_the_program_and_its_compiled_form(prefix: Path) -> None:
    rooms = {path.name for path in (_packages(prefix) / "assay").iterdir() if path.is_dir()}

    assert {"agents", "api", "graphs", "store", "triggers", "__pycache__"} <= rooms
    assert not (_packages(prefix) / "pip").exists()


def test_a_signal_ends_a_worker_in_order(prefix: Path, tmp_path: Path) -> None:
    """What a container engine sends when it stops one."""
    worker = subprocess.Popen(
        [prefix / "bin" / "assay", "worker"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert worker.stdout is not None
    assert worker.stdout.readline().startswith("working as")

    worker.send_signal(signal.SIGTERM)

    _, said = worker.communicate(timeout=60)
    assert worker.returncode == 0, said
    assert "stopping" in said


def test_the_proof_refuses_a_tree_that_can_be_written_to(prefix: Path, tmp_path: Path) -> None:
    loose = tmp_path / "loose"
    (loose / "bin").mkdir(parents=True)
    (loose / "bin" / "assay").symlink_to(prefix / "bin" / "assay")

    proof = _script("proof", loose)

    assert proof.returncode == 1
    assert f"trim.sh {loose}" in proof.stderr


def test_the_proof_says_when_the_python_of_a_tree_is_closed_to_others(
    prefix: Path, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    (closed / "bin").mkdir(parents=True)
    (closed / "bin" / "assay").symlink_to(prefix / "bin" / "assay")
    (closed / "bin" / "python").symlink_to(tmp_path / "nowhere")
    for folder in (closed / "bin", closed):
        folder.chmod(0o555)

    proof = _script("proof", closed)

    assert proof.returncode == 1
    assert f"may not run {closed}/bin/python" in proof.stderr
    assert "PYTHON=" in proof.stderr


def test_a_library_is_installed_when_it_has_its_hash_and_refused_otherwise(tmp_path: Path) -> None:
    wheel = _wheel(tmp_path)
    right, wrong = hashlib.sha256(wheel.read_bytes()).hexdigest(), "0" * 64

    assert _install(tmp_path / "good", wheel, right).returncode == 0
    assert (_packages(tmp_path / "good") / "pebble.py").is_file()
    assert not (tmp_path / "good" / "bin" / "pip").exists()

    refused = _install(tmp_path / "bad", wheel, wrong)
    assert refused.returncode != 0
    assert "DO NOT MATCH THE HASHES" in refused.stderr


def test_a_folder_that_is_there_already_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear\n")

    refused = _script("build", tmp_path)

    assert refused.returncode == 2
    assert "is there already" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["letter"]


@pytest.mark.parametrize("name", ["libraries", "program", "trim", "proof"])
def test_a_script_that_is_given_nothing_says_what_it_wants(name: str) -> None:
    refused = _script(name)

    assert refused.returncode == 2
    assert refused.stderr.startswith("usage: ")
    assert "PREFIX" in refused.stderr


def _install(prefix: Path, wheel: Path, sha256: str) -> subprocess.CompletedProcess[str]:
    pins = wheel.parent / "pins.txt"
    pins.write_text(f"pebble==1.0 --hash=sha256:{sha256}\n")
    return _script(
        "libraries", prefix, str(pins), PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheel.parent)
    )


def _wheel(folder: Path) -> Path:
    """The smallest library there is."""
    wheel = folder / "pebble-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("pebble.py", "")
        archive.writestr(
            "pebble-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: pebble\nVersion: 1.0\n"
        )
        archive.writestr(
            "pebble-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("pebble-1.0.dist-info/RECORD", "")
    return wheel


def _python() -> str:
    """A Python of this version that nobody may start; root's own lies where only root looks."""
    if os.getuid() != 0:
        return sys.executable
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folders = (sys.base_prefix, "/usr/local", "/usr")
    for python in (Path(folder, "bin", f"python{version}") for folder in folders):
        if python.exists() and _nobody_may_start(python):
            return str(python)
    pytest.skip(f"the user {NOBODY} may start no Python {version} here")


def _nobody_may_start(python: Path) -> bool:
    real = python.resolve()
    return all(path.stat().st_mode & 0o001 for path in (real, *real.parents))


def _let_others_in(path: Path) -> None:
    """A temporary folder is for its owner alone; proof.sh comes as somebody else."""
    if os.getuid() == 0:
        for folder in path.parents:
            if folder.stat().st_mode & 0o777 == 0o700:
                folder.chmod(0o711)


def _packages(prefix: Path) -> Path:
    (found,) = prefix.glob("lib/python*/site-packages")
    return found


def _script(
    name: str, *arguments: str | Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    command = [HOUSE / "deploy" / f"{name}.sh", *arguments]
    return subprocess.run(
        command,
        env=os.environ | {"PYTHON": sys.executable} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
