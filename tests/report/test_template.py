import base64
import hashlib

from crln.report.template import policy


def test_a_page_may_run_its_own_script_alone() -> None:
    digest = base64.b64encode(hashlib.sha256(b"let a = 1;").digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy("let a = 1;")
    assert "default-src 'none'" in policy("")
