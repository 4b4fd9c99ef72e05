"""One bucket: its client, and what every request to it shares.

botocore is used without boto3 on top, which adds nothing to single requests and 80 ms to the start.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import botocore
import botocore.loaders
import botocore.session
import urllib3
from botocore import UNSIGNED
from botocore import exceptions as sdk
from botocore.config import Config
from botocore.parsers import ResponseParserError
from botocore.utils import parse_timestamp

import regctl
from regctl.drivers.objects.keys import Keys
from regctl.drivers.s3 import pages
from regctl.drivers.s3.errors import (
    WAYS_TO_GIVE_CREDENTIALS,
    NoSuchBucketError,
    RangeNotSatisfiableError,
    WrongRegionError,
    not_s3,
    status,
    translate,
)
from regctl.drivers.s3.settings import S3Settings, read_settings
from regctl.errors import ConfigurationError, DeniedError, RegctlError

#: How often a request is tried, with growing pauses of at most 20 seconds, the first included.
ATTEMPTS = 5
#: As long as nothing has ever answered: more likely the endpoint is wrong than busy.
FIRST_ATTEMPTS = 2
#: Seconds to connect, and to wait for the next bytes of an answer.
CONNECT_SECONDS = 10
READ_SECONDS = 60

#: What S3 never leaves out, and a web server that says 200 to everything does.
_ANSWERED = {
    "copy_object": ("CopyObjectResult",),
    "create_multipart_upload": ("UploadId",),
    "get_object": ("ETag", "ContentLength"),
    "head_object": ("ETag", "ContentLength", "LastModified"),
    "put_object": ("ETag",),
    "upload_part": ("ETag",),
    "upload_part_copy": ("CopyPartResult",),
}
#: Keeps the SDK's description of S3, which takes longest to read, for further clients.
_LOADER = botocore.loaders.create_loader()

#: The client has no types of its own: its methods are made of S3's description at run time.
S3Client = Any


class Store:
    """One bucket: the client, the keys, and what every request shares.

    ``part_bytes`` is the size that parts start from; the ``copy_*`` say when and how objects are
    copied in parts; ``new_object`` are the arguments of every request that makes an object.
    Safe to use from several threads.
    """

    def __init__(self, settings: S3Settings, jobs: int) -> None:
        self.bucket = settings.bucket
        self.keys = Keys(settings.prefix)
        self.jobs = max(1, jobs)
        self.part_bytes = settings.part_bytes
        self.copy_threshold_bytes = settings.copy_threshold_bytes
        self.copy_chunk_bytes = settings.copy_chunk_bytes
        self.copy_concurrency = settings.copy_concurrency
        self.new_object = settings.new_object
        #: What messages call the server.
        self.place = settings.endpoint or "Amazon S3"
        self._secrets = [
            secret
            for secret in (settings.access_key, settings.secret_key, settings.session_token)
            if secret
        ]
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._requests: dict[str, int] = {}
        self._date = ""
        #: Whether anything has answered, and whether it was S3 and had the bucket.
        self._was_answered = False
        self._is_known = False
        self.client, self.is_anonymous = self._connect(settings)

    def call(self, operation: str, path: str, /, **arguments: object) -> dict[str, Any]:
        """The answer to one request: ``operation`` by the SDK's name (``head_object``), with its
        ``arguments``; the bucket is added.

        Every error comes out as one of `regctl.errors` that names ``path``: `PathNotFoundError` if
        there is no such object, `regctl.drivers.s3.errors` for what only S3 knows.
        """
        try:
            answer: dict[str, Any] = getattr(self.client, operation)(
                Bucket=self.bucket, **arguments
            )
        except sdk.ClientError as error:
            self._note(error.response)
            told = self._explained(operation, path, error, arguments)
            raise told from error
        except (sdk.BotoCoreError, ResponseParserError, OSError) as error:
            raise self._completed(translate(error, path)) from error
        except ValueError as error:
            raise not_s3("its answer cannot be read") from error
        self._note(answer)
        for member in _ANSWERED.get(operation, ()):
            if member not in answer:
                raise not_s3(f"it answers without {member}")
        self._is_known = True
        return answer

    def translate(self, error: BaseException, path: str) -> RegctlError:
        """The error that says what ``error``, of a body that is streamed, says about ``path``."""
        return self._completed(translate(error, path))

    def pool(self) -> ThreadPoolExecutor:
        """The threads of this store, ``jobs`` of them, made when they are first needed."""
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.jobs, thread_name_prefix="s3")
            return self._pool

    def requests(self) -> Mapping[str, int]:
        """How many requests were sent so far, each try counted, by S3's name (``PutObject``)."""
        with self._lock:
            return dict(self._requests)

    def last_date(self) -> float | None:
        """The server's clock at its last answer, in whole seconds; None before the first."""
        try:
            return parsedate_to_datetime(self._date).timestamp()
        except ValueError:
            return None

    def _connect(self, settings: S3Settings) -> tuple[S3Client, bool]:
        """The client, and whether it asks as nobody."""
        if not settings.verify:
            # Somebody said so; there is no need to tell him with every connection.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        try:
            session = botocore.session.Session()
            session.register_component("data_loader", _LOADER)
            parsers = session.get_component("response_parser_factory")
            parsers.set_parser_defaults(timestamp_parser=_time)
            keys = {
                "aws_access_key_id": settings.access_key,
                "aws_secret_access_key": settings.secret_key,
                "aws_session_token": settings.session_token,
            }
            is_anonymous = settings.access_key is None and session.get_credentials() is None
            region = settings.region or session.get_config_variable("region")
            if not region:
                raise ConfigurationError(
                    "storage.s3 has no region", hint="set region, or regionendpoint"
                )
            client = session.create_client(
                "s3",
                region_name=region,
                endpoint_url=settings.endpoint,
                use_ssl=settings.secure,
                # None: the authorities of AWS_CA_BUNDLE, or those that Python trusts.
                verify=None if settings.verify else False,
                config=self._config(settings, is_anonymous=is_anonymous),
                **keys,
            )
        except (sdk.BotoCoreError, ValueError) as error:
            raise translate(error, "/") from error
        # Now, since other threads' requests must not see the events change.
        pages.install(client)
        events = client.meta.events
        events.register("before-send.s3", self._count)
        events.register("before-call.s3", _stay_in_region)
        events.register_first("needs-retry.s3", self._give_up)
        return client, is_anonymous

    def _config(self, settings: S3Settings, *, is_anonymous: bool) -> Config:
        return Config(
            signature_version=UNSIGNED if is_anonymous else "s3v4",
            s3={
                "addressing_style": settings.addressing_style,
                "use_accelerate_endpoint": settings.accelerate,
            },
            use_dualstack_endpoint=settings.dualstack,
            use_fips_endpoint=settings.fips,
            # The SDK's own, made anew for every request, takes 5 % of its time.
            user_agent=f"regctl/{regctl.__version__} botocore/{botocore.__version__}",
            # Else the storage that a plan names would not be the one that is used.
            ignore_configured_endpoint_urls=True,
            # Other vendors' servers do not know the newer checksums.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            max_pool_connections=max(self.jobs, self.copy_concurrency) + 2,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        )

    def _count(self, event_name: str, **_: object) -> None:
        name = event_name.rpartition(".")[2]
        with self._lock:
            self._requests[name] = self._requests.get(name, 0) + 1

    def _give_up(
        self, *, attempts: int, response: object, caught_exception: BaseException | None, **_: Any
    ) -> None:
        """Do not wait for what will not change by waiting."""
        if response is not None:
            self._was_answered = True
        if isinstance(caught_exception, sdk.SSLError):
            raise caught_exception
        is_new = not self._was_answered and attempts >= FIRST_ATTEMPTS
        if is_new and isinstance(caught_exception, sdk.ConnectionError):
            raise caught_exception

    def _note(self, answer: Mapping[str, Any]) -> None:
        headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        if date := headers.get("date"):
            self._date = date

    def _explained(
        self, operation: str, path: str, error: sdk.ClientError, arguments: Mapping[str, object]
    ) -> RegctlError:
        """What ``error`` says; where it has no words, because it answers a HEAD, what a GET says.

        A 404 is believed once the server has shown that it has the bucket: only then is it an
        absence.
        """
        number = status(error)
        is_mute = operation in {"head_object", "head_bucket"} and number < 500 and number != 412
        if is_mute and not (operation == "head_object" and number == 404 and self._is_known):
            try:
                if operation == "head_object":
                    key = arguments.get("Key")
                    self.call("get_object", path, Key=key, Range="bytes=0-0")["Body"].close()
                else:
                    self.call("list_objects_v2", path, MaxKeys=1)
            except RangeNotSatisfiableError:
                pass  # it is there by now, and empty
            except RegctlError as explained:
                return explained
        told = translate(error, path)
        if not is_mute:
            # It found the words of S3 for it, about an object, so it has the bucket.
            self._is_known = self._is_known or number == 404
        return self._completed(told)

    def _completed(self, error: RegctlError) -> RegctlError:
        """``error`` with what only this store knows: the bucket, the region, who asks."""
        for secret in self._secrets:
            # A server may quote what it was sent.
            error.message = error.message.replace(secret, "(hidden)")
        if isinstance(error, NoSuchBucketError):
            return NoSuchBucketError(
                f"there is no bucket {self.bucket!r} at {self.place}", hint=error.hint
            )
        if isinstance(error, WrongRegionError):
            return WrongRegionError(
                f"{error.message}, not in {self.client.meta.region_name}", hint=error.hint
            )
        if isinstance(error, DeniedError) and self.is_anonymous:
            return DeniedError(
                f"no credentials were found, and the bucket {self.bucket!r} at {self.place} does"
                " not let everybody do this",
                hint=WAYS_TO_GIVE_CREDENTIALS,
            )
        return error


def open_store(parameters: Mapping[str, object], jobs: int) -> Store:
    """The store with the members of ``storage.s3``; ``jobs`` is how many requests are in flight.

    Nothing is asked of a server yet. Raises `ConfigurationError`, and `DeniedError` where the
    machine's credentials cannot be read.
    """
    return Store(read_settings(parameters), jobs)


def _time(value: str | float) -> datetime:
    """A time in an answer. That of a header is read in a tenth of the time that the SDK takes."""
    try:
        return parsedate_to_datetime(str(value))
    except ValueError:
        time: datetime = parse_timestamp(value)
        return time


def _stay_in_region(context: dict[str, Any], **_: object) -> None:
    """Keep the SDK from asking another region by itself: every request would be sent twice, and
    the registry with this configuration would not work at all. The error says where it is.
    """
    redirect = context.get("s3_redirect")
    if isinstance(redirect, dict):
        redirect["redirected"] = True
