"""Errors in a definition or in data, as opposed to errors of this program."""


class StepError(Exception):
    """A step fails by its own meaning; as repeating changes nothing, it is never retried."""


class FieldNotFound(StepError):
    """A path leads nowhere in the context."""

    def __init__(self, path: str) -> None:
        super().__init__(f"field not found: {path}")
        self.path = path


class ConditionFault(StepError):
    """A condition that cannot be answered: ill-formed, or its values do not fit its operator."""


class TemplateFault(StepError):
    """A template that cannot be rendered within the limits."""


class DefinitionError(Exception):
    """A definition that is refused as a whole, with the JSON path of what is wrong in it."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason
