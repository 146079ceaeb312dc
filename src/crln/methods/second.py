"""Another network of a method, to compare what its predictor outlines with."""

from torch import nn

from crln.methods.base import Method


def second_network(method: Method) -> nn.Module | None:
    """A network that outlines scans, and is not the predictor; None where there is no other.

    The student beside its teacher, the teacher beside its student, or the other of two students.
    """
    teachers = [getattr(method, "teacher", None), *getattr(method, "teachers", ())]
    taught = [getattr(teacher, "network", None) for teacher in teachers]
    students = (getattr(method, "student", None), *getattr(method, "students", ()))
    own = method.predictor()
    for network in (*students, *taught):
        if isinstance(network, nn.Module) and network is not own:
            return network
    return None
