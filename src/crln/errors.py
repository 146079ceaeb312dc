"""The faults that a user can mend."""


class CrlnError(Exception):
    """A fault in the data, the plan or the command that its user can mend.

    The message is one line: what was found, in which file, and what to do about it. The command
    line prints it and exits with 2; it never shows a traceback for one.

    Example:
        >>> try:
        ...     crln.load_cohort("nowhere")
        ... except crln.CrlnError as fault:
        ...     print(fault)
        nowhere: no such folder; check the path
    """


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM ended what could be saved, and it was.

    Attributes:
        code: the exit code of a process that the signal ends: 130 or 143.
    """

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.code = 128 + signal
