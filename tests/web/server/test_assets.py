"""The scripts in the page's head."""

import re

from ti_studio.web.server.assets import Assets


def test_all_modules_are_preloaded_together() -> None:
    assets = Assets.shipped()

    preloaded = re.findall(r'<link rel="modulepreload" href="ti/static/[0-9a-f]+/studio/([^"]+)">', assets.head())

    folder = assets.root / "javascript" / "studio"
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*.js")}
    assert "main.js" in written and len(written) > 20
    assert set(preloaded) == written
