"""What the page's head has a browser load."""

import re

from ti_studio.web.server.assets import Assets


def test_all_modules_are_loaded_at_once_and_not_one_after_the_other() -> None:
    assets = Assets.shipped()

    preloaded = re.findall(r'<link rel="modulepreload" href="ti/static/[0-9a-f]+/studio/([^"]+)">', assets.head())

    scripts = assets.root / "javascript" / "studio"
    written = {path.relative_to(scripts).as_posix() for path in scripts.rglob("*.js")}
    assert "main.js" in written and len(written) > 20
    assert set(preloaded) == written
