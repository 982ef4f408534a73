"""What tests run against: real servers on this machine, each started and stopped by the test run.

Nothing here is faked and nothing is skipped: a program that is not installed fails the test that needs
it, with the command that installs it.
"""
