"""``make wheel``: what it builds is complete, holds nothing else, and works where no compiler is.

Slow: it compiles the core twice, which takes minutes.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.processes import outside_make

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
ARM = "aarch64-unknown-linux-gnu"
MACHINES = {"x86_64": 62, "aarch64": 183}
"""The field e_machine of an ELF file's header: EM_X86_64 and EM_AARCH64."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]


def output(*command: object, **kwargs: object) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        text=True,
        capture_output=True,
        check=False,
        **kwargs,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, done.stderr
    text: str = done.stdout
    return text


def tracked(*folders: str) -> set[str]:
    return set(output("git", "ls-files", *folders, cwd=ROOT).splitlines())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    # The environment of this test has the tools already (-o: it is not installed anew).
    venv = Path(sys.prefix)
    output(
        *("make", "wheel", f"VENV={venv}", f"WHEELS={folder}", "-o", venv / ".packages"),
        cwd=ROOT,
        env=outside_make(),
    )
    return folder


def wheel(built: Path, machine: str) -> Path:
    tag = f"cp311-abi3-manylinux2014_{machine}.manylinux_2_17_{machine}"
    return built / f"dwlt-{VERSION}-{tag}.whl"


def has_arm() -> bool:
    return Path(output("rustc", "--print", "target-libdir", "--target", ARM).strip()).is_dir()


def test_the_files_are_the_ones_that_the_page_names(built: Path) -> None:
    machines = ["x86_64", "aarch64"] if has_arm() else ["x86_64"]
    expected = {wheel(built, machine).name for machine in machines}
    assert {path.name for path in built.iterdir()} == {*expected, f"dwlt-{VERSION}.tar.gz"}


@pytest.mark.parametrize("machine", MACHINES)
def test_a_wheel_holds_the_package_and_nothing_else(built: Path, machine: str) -> None:
    if machine == "aarch64" and not has_arm():
        pytest.skip(f"no library of Rust's for {ARM}; rustup target add {ARM}")
    with zipfile.ZipFile(wheel(built, machine)) as archive:
        names = set(archive.namelist())
        core = archive.read("dwlt/_core.abi3.so")
    about = f"dwlt-{VERSION}.dist-info/"
    package = {name.removeprefix("python/") for name in tracked("python/dwlt")}
    assert {name for name in names if not name.startswith(about)} == {
        *package,
        "dwlt/_core.abi3.so",
    }
    assert {name.removeprefix(about) for name in names if name.startswith(about)} == {
        *("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"),
        # The crates that the core is made of, with their versions and licenses.
        "sboms/dwlt-python.cyclonedx.json",
    }
    assert int.from_bytes(core[18:20], "little") == MACHINES[machine]
    asked = {(int(a), int(b)) for a, b in re.findall(rb"GLIBC_(\d+)\.(\d+)", core)}
    assert asked
    assert max(asked) <= (2, 17)


def test_the_sdist_holds_sources_and_nothing_else(built: Path) -> None:
    head = f"dwlt-{VERSION}/"
    with tarfile.open(built / f"dwlt-{VERSION}.tar.gz") as archive:
        names = {name.removeprefix(head) for name in archive.getnames()}
    assert names - tracked() == {"PKG-INFO"}
    parts = {name.split("/")[0] for name in names}
    assert parts == {
        *("PKG-INFO", "Cargo.toml", "Cargo.lock", "LICENSE", "README.md", "pyproject.toml"),
        *("crates", "python"),
    }
    assert tracked("python/dwlt") <= names


@pytest.mark.skipif(sysconfig.get_platform() != "linux-x86_64", reason="the wheel is for x86-64")
def test_the_wheel_works_where_no_compiler_is(built: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    output(sys.executable, "-m", "venv", venv)
    binaries = str(venv / "bin")
    assert shutil.which("cargo", path=binaries) is None
    environment = {"PATH": binaries, "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}

    def run(*command: object) -> str:
        return output(*command, cwd=tmp_path, env=environment)

    python = venv / "bin/python"
    run(python, "-m", "pip", "install", "--no-deps", "--no-index", wheel(built, "x86_64"))
    # PyTorch and the rest are gigabytes: they are those of the environment of this test, by a line
    # in a .pth. (--system-site-packages would show those of the Python under it.) It comes after
    # the installation, for pip would find the dwlt under development there and leave it at that.
    # A folder that is named by such a line comes last in sys.path; its own .pth are not read.
    (site,) = (venv / "lib").glob("python*/site-packages")
    (site / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    found = run(python, "-c", "import dwlt._core as c; print(c.__file__)").strip()
    assert Path(found) == site / "dwlt/_core.abi3.so"

    dwlt = venv / "bin/dwlt"
    assert VERSION in run(dwlt, "--version")
    doctor = run(dwlt, "doctor")
    assert "PROBLEM" not in doctor
    save_file(
        {"conv.weight": np.array([[4, -1], [2, -3]], np.float32)}, tmp_path / "model.safetensors"
    )
    run(dwlt, "mask", "prune", "model.safetensors", "--rate", "0.5", "-o", "mask.safetensors")
    run(dwlt, "mask", "apply", "model.safetensors", "mask.safetensors", "-o", "out.safetensors")
    kept = load_file(tmp_path / "out.safetensors")["conv.weight"]
    assert kept.tolist() == [[4, 0], [0, -3]]
