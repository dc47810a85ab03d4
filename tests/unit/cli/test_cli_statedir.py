import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.statedir import claimed
from gateway.errors import TrestleError

pytestmark = pytest.mark.timeout(90)  # whole programs start here

CLAIM = """
import sys, time
from pathlib import Path
from gateway.cli.statedir import claimed
with claimed(Path(sys.argv[1])):
    print("claimed", flush=True)
    time.sleep(60)
"""


def test_a_directory_has_one_gateway_at_a_time(tmp_path: Path) -> None:
    state = tmp_path / "new" / "state"
    with (
        claimed(state),
        pytest.raises(TrestleError, match=r"another gateway uses .*state: .*set state_dir"),
        claimed(state),
    ):
        pass
    with claimed(state):
        pass


def test_a_gateway_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CLAIM, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "claimed\n"
        with pytest.raises(TrestleError), claimed(tmp_path):
            pass
        other.kill()
        other.wait(timeout=10)
    with claimed(tmp_path):
        pass


def test_a_directory_that_cannot_be_made_names_the_key(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    complaint = pytest.raises(TrestleError, match=r"^state_dir: nothing can be kept in .*/file")
    with complaint, claimed(tmp_path / "file"):
        pass


def test_trestle_run_says_who_has_its_directory(tmp_path: Path) -> None:
    config = tmp_path / "gateway.yaml"
    config.write_text("state_dir: state\nweb: {port: 0, tls_port: off}\nsip: {enabled: off}\n")
    with claimed(tmp_path / "state"):
        ended = subprocess.run(
            [sys.executable, "-m", "gateway", "run", "--config", str(config)],
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert ended.returncode == 1
    assert f"another gateway uses {tmp_path / 'state'}" in ended.stderr
