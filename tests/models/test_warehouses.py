"""What the tests of the models build their warehouses with."""

from warehouses import emulator

from sandbox import snowflake


def test_another_emulator_stops_the_one_before():
    """A fixture of the session keeps its emulator, whatever runs after its tests."""
    with emulator(None) as first:
        snowflake.run(first, "create database of_the_first")
        with emulator(None) as second:
            assert second["SNOWFLAKE_PORT"] == first["SNOWFLAKE_PORT"]
            assert snowflake.run(second, "select current_user()")
            databases = "select database_name from information_schema.databases"
            snowflake.run(second, "create database analytics")
            assert snowflake.run(second, databases) == [("ANALYTICS",)]
