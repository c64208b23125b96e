"""Drives the real opencode against a scripted model on loopback; every row is written by opencode itself.

    python -m tests.lab --live 120 --workers 2      keep it busy, to watch it
    python -m tests.lab --live 120 --opencode 2     the same with the preview of 2.x
    python -m tests.lab.record tui/demo/recording.json.gz

opencode_binary.py installs the program, driver.py runs it in a throwaway home, recipes.py makes databases by name;
driver_2x.py, config_2x.py and recipes_2x.py do so with 2.x.
The model: script.py (vocabulary), mock_model.py (server), scenarios.py and lab_script.py (`lab:NAME` prompts).
The demo: demo_project.py, demo_script.py, record.py, and changes.py, which notes row by row what opencode does.
"""
