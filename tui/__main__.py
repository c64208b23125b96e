"""`python -m tui` is `opencode-viewer`."""

from tui.cli import main

raise SystemExit(main())
