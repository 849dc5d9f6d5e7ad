"""What becomes of an error: the text that a person reads, and the exit code.

The project's own errors say both themselves (infra/errors.py, lab/errors.py). Here are those that are not its own:
AWS's and the operating system's; whatever else arrives is a fault of this program.
"""

from __future__ import annotations

from infra.errors import FAILED, NO, WRONG_USE, ReportedError


class RefusalError(ReportedError):
    """The answer is no, or not now; nothing was changed."""

    exit_code = NO

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(f"{message}\n    fix: {fix}")


def explained(error: Exception) -> tuple[str, int]:
    """Return what to say to a person about `error`, and the exit code."""
    own_code = getattr(error, "exit_code", None)
    if isinstance(own_code, int):
        return str(error), own_code
    # By name, since botocore takes a while to load where nobody has called AWS.
    if any(base.__module__ in {"botocore.exceptions", "boto3.exceptions"} for base in type(error).__mro__):
        return _explained_of_aws(error)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}", FAILED
    return (
        f"eps-dos failed with {type(error).__name__}: {error}\n"
        "    This is a fault of eps-dos. Run it again with EPS_DOS_TRACEBACK=1 and report what it prints.",
        FAILED,
    )


_NO_CREDENTIALS = frozenset(
    {
        "CredentialRetrievalError",
        "LoginTokenLoadError",
        "NoAuthTokenError",
        "NoCredentialsError",
        "PartialCredentialsError",
        "SSOError",
        "SSOTokenLoadError",
        "TokenRetrievalError",
        "UnauthorizedSSOTokenError",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "RequestExpired",
        "UnrecognizedClientException",
    }
)
"""Errors of botocore, and codes of AWS's (IAM, common errors), that say that nobody is logged in, or no longer."""


def _explained_of_aws(error: Exception) -> tuple[str, int]:
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    if _NO_CREDENTIALS & {type(error).__name__, code}:
        return (
            f"AWS: nobody is logged in, or no longer ({error})\n    fix: aws sso login, with AWS_PROFILE set",
            WRONG_USE,
        )
    if type(error).__name__ == "ProfileNotFound":
        return f"AWS: {error}\n    fix: aws configure list-profiles, then set AWS_PROFILE", WRONG_USE
    return f"AWS: {error}\n    fix: see which account and region you are in: aws sts get-caller-identity", FAILED
