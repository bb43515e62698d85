"""The AWS side: one CloudFormation stack, deployed with what is known so far."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from snowflake_setup.settings import CloudSettings

TEMPLATE = Path(__file__).parent / "aws" / "landing.yml"
GITHUB_ISSUER = "token.actions.githubusercontent.com"
# A stack whose first deployment failed holds nothing, and cannot be updated.
NEVER_MADE = (
    "ROLLBACK_COMPLETE",
    "ROLLBACK_FAILED",
    "CREATE_FAILED",
    "REVIEW_IN_PROGRESS",
)
WELL = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
SETTLES_SECONDS = 900
LOOK_AGAIN_SECONDS = 3
CAPABILITIES = ["CAPABILITY_NAMED_IAM"]


class AwsError(Exception):
    """AWS refuses or cannot be reached; the message says why, on one line."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


@contextlib.contextmanager
def aws_errors(doing: str) -> Iterator[None]:
    """Turn errors of boto3 into an AwsError that names the step."""
    try:
        yield
    except ClientError as error:
        told = error.response["Error"]
        code, message = told.get("Code", ""), told.get("Message", "")
        raise AwsError(f"{doing}: {code}: {' '.join(message.split())}", code) from error
    except (BotoCoreError, ValueError) as error:
        raise AwsError(f"{doing}: {' '.join(str(error).split())}") from error


def client(settings: CloudSettings, service: str) -> Any:
    """A client with the settings' credentials, else those that boto3 finds."""
    with aws_errors(f"signing in to {service}"):
        return boto3.client(
            service,
            region_name=settings.aws_region,
            aws_access_key_id=settings.aws_access_key,
            aws_secret_access_key=settings.aws_secret_key,
            config=Config(
                connect_timeout=10,
                read_timeout=60,
                retries={"mode": "standard", "max_attempts": 5},
            ),
        )


def is_under_way(status: str) -> bool:
    """Whether CloudFormation is at work; a stack in review waits for its maker."""
    return status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS"


@dataclass(frozen=True)
class Deployed:
    """What the stack is now: its parameters and outputs."""

    status: str
    parameters: dict[str, str]
    outputs: dict[str, str]


class Stack:
    """The stack of the landing."""

    def __init__(self, settings: CloudSettings) -> None:
        self._settings = settings
        self._name = settings.stack
        self._client = client(settings, "cloudformation")
        self._iam = client(settings, "iam")

    def deployed(self) -> Deployed | None:
        """The stack; None if it does not exist. Raises AwsError."""
        try:
            with aws_errors(f"reading the stack {self._name}"):
                [stack] = self._client.describe_stacks(StackName=self._name)["Stacks"]
        except AwsError as error:
            if "does not exist" in str(error):
                return None
            raise
        return Deployed(
            stack["StackStatus"],
            {
                p["ParameterKey"]: p["ParameterValue"]
                for p in stack.get("Parameters", [])
            },
            {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])},
        )

    def parameters(self, deployed: Deployed | None) -> dict[str, str]:
        """Parameters from the settings; those from Snowflake stay unchanged."""
        settings = self._settings
        known = deployed.parameters if deployed else {}
        return {
            "BucketName": settings.bucket,
            "LandingPrefix": settings.prefix,
            "SnowflakeRoleName": f"{settings.stack}-snowflake",
            "GitHubRoleName": f"{settings.stack}-github",
            "GitHubSubject": settings.github_subject,
            "GitHubProviderArn": self._provider_of_others(known),
            "ExpireOldVersionsDays": str(settings.old_versions_days),
            "KmsKeyArn": settings.kms_key_arn,
            "ArchiveObjectsDays": str(settings.archive_days),
            "ExpireObjectsDays": str(settings.expire_days),
            **{
                name: known.get(name, "")
                for name in ("SnowflakeUserArn", "SnowflakeExternalId", "PipeQueueArn")
            },
        }

    def _provider_of_others(self, known: dict[str, str]) -> str:
        """An account has one provider for GitHub: if it is not this stack's own, it is
        used as it is."""
        if not self._settings.github_subject or self._makes_provider(known):
            return ""
        with aws_errors("listing the account's identity providers"):
            providers = self._iam.list_open_id_connect_providers()
        arns = [p["Arn"] for p in providers["OpenIDConnectProviderList"]]
        return next((arn for arn in arns if arn.endswith(f"/{GITHUB_ISSUER}")), "")

    def _makes_provider(self, known: dict[str, str]) -> bool:
        return bool(known.get("GitHubSubject")) and not known.get("GitHubProviderArn")

    def deploy(self, deployed: Deployed | None, wanted: dict[str, str]) -> bool:
        """Deploy the stack; False if nothing changed. Raises AwsError."""
        if deployed and is_under_way(deployed.status):
            # Another run was killed, or is under way.
            deployed = self._settled()
        if deployed and deployed.status in NEVER_MADE:
            self.remove()
            deployed = None
        call = self._client.update_stack if deployed else self._client.create_stack
        try:
            with aws_errors(f"deploying the stack {self._name}"):
                call(
                    StackName=self._name,
                    TemplateBody=TEMPLATE.read_text(encoding="utf-8"),
                    Parameters=[
                        {"ParameterKey": name, "ParameterValue": value}
                        for name, value in wanted.items()
                    ],
                    Capabilities=CAPABILITIES,
                )
        except AwsError as error:
            if "No updates are to be performed" in str(error):
                return False
            raise
        made = self._settled()
        if not made or made.status not in WELL:
            status = made.status if made else "gone"
            raise AwsError(
                f"the stack {self._name} failed: {self._first_failure() or status}"
            )
        return True

    def remove(self) -> None:
        """Delete the stack. Raises AwsError."""
        with aws_errors(f"deleting the stack {self._name}"):
            self._client.delete_stack(StackName=self._name)
        if left := self._settled():
            raise AwsError(
                f"the stack {self._name} cannot be deleted: {left.status}:"
                f" {self._first_failure()}"
            )

    def _settled(self) -> Deployed | None:
        """The stack after its operation has finished; None if it was deleted."""
        end = time.monotonic() + SETTLES_SECONDS
        while True:
            deployed = self.deployed()
            if not deployed or not is_under_way(deployed.status):
                return deployed
            if time.monotonic() > end:
                raise AwsError(
                    f"the stack {self._name} is still {deployed.status}: start again"
                    " when it is not"
                )
            time.sleep(LOOK_AGAIN_SECONDS)

    def _first_failure(self) -> str:
        """The first failure, which caused the others."""
        failed = self._failed()
        return (self._invalid() if "Validation failed" in failed else "") or failed

    def _invalid(self) -> str:
        """What CloudFormation has found before it made anything, as a bucket's name
        that is taken."""
        with contextlib.suppress(ClientError, BotoCoreError):
            events = self._client.describe_events(
                StackName=self._name, Filters={"FailedEvents": True}
            )["OperationEvents"]
            for event in events:  # newest first
                if reason := event.get("ValidationStatusReason"):
                    return f"{event.get('LogicalResourceId')}: {reason}"
        return ""

    def _failed(self) -> str:
        with aws_errors(f"reading the events of {self._name}"):
            pages = self._client.get_paginator("describe_stack_events").paginate(
                StackName=self._name
            )
            events = [event for page in pages for event in page["StackEvents"]]
        starts = [
            number
            for number, event in enumerate(events)
            if event.get("LogicalResourceId") == self._name
            and event.get("ResourceStatus", "").endswith(
                ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
            )
        ]
        # Newest first: those of the last deployment, or of the deletion, alone.
        for event in reversed(events[: starts[0] if starts else None]):
            if event.get("ResourceStatus", "").endswith("_FAILED"):
                return (
                    f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}"
                )
        return ""
