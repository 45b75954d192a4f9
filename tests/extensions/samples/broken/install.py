raise SystemExit("<b>nothing</b> can be installed")
