"""What several test files share: shapes, towers and programs to run; fixtures are in conftest.py."""
