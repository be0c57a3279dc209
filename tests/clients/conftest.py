"""The files that all clients run, and how a client is held to the reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.clients import students
from tests.clients.cases import Case
from tests.clients.compare import Outcome, compare
from tests.clients.jobs import Answers, Refused, run_jobs
from tests.clients.paths import BUILD, FILES
from tests.clients.record import record


@pytest.fixture(scope="session")
def index() -> dict[str, Any]:
    """The shared files, built when the first client asks for them."""
    return students.build()


@pytest.fixture(scope="session")
def artifacts(index) -> dict[Case, dict[str, Any]]:
    """The entries of the index that could be exported, by case."""
    return {
        Case(*(entry[field] for field in Case._fields)): entry
        for entry in index["artifacts"]
        if "refused" not in entry
    }


@pytest.fixture(scope="session")
def judge(index, artifacts) -> Callable[..., None]:
    """`judge(client, version, case, answers)`: compare, record, and fail if wrong.

    `answers` are raw outputs by name, or a `Refused`; a refusal passes only if its
    words match `refusal`, a regular expression. `wrong=True` is for a client that is
    known to answer wrongly without a word: it passes only if it still does.
    """

    def hold(
        client: str,
        version: str,
        case: Case,
        answers: Answers | Refused,
        refusal: str | None = None,
        wrong: bool = False,
    ) -> None:
        known = (client, version, case.student, case.label)
        if isinstance(answers, Refused):
            record(*known, "refused", str(answers))
            if refusal is None:
                pytest.fail(f"{client} refuses {case.path}: {answers}")
            with pytest.raises(Refused, match=refusal):
                raise answers
            return
        found = compare(artifacts[case], index, answers)
        record(*known, "wrong" if found.faults else "right", found.detail)
        assert bool(found.faults) == wrong, found

    return hold


@pytest.fixture(scope="session")
def compared(index, artifacts) -> Callable[[Case, Answers], Outcome]:
    """`compared(case, answers)`: the figures alone."""
    return lambda case, answers: compare(artifacts[case], index, answers)


@pytest.fixture
def exported(artifacts, case) -> dict[str, Any]:
    """The entry of the test's `case`; a skip where it could not be exported."""
    if case not in artifacts:
        pytest.skip(f"{case.path} could not be exported: see test_students.py")
    return artifacts[case]


def jobs_of(artifacts: dict[Case, dict[str, Any]], cases: list[Case]):
    """The cases as `run_jobs` takes them."""
    return [
        {
            "path": str(FILES / case.path),
            "inputs": {
                tensor["name"]: str(FILES / tensor["file"])
                for tensor in artifacts[case]["inputs"]
            },
            "outputs": [tensor["name"] for tensor in artifacts[case]["outputs"]],
        }
        for case in cases
        if case in artifacts
    ]


@pytest.fixture(scope="session")
def run_all(artifacts):
    """`run_all(name, command, cases)`: a program over many files; answers by case."""

    def run(name: str, command: list[str], cases: list[Case], **options: Any):
        jobs = jobs_of(artifacts, cases)
        found = run_jobs(command, jobs, BUILD / "answers" / name, **options)
        return {case: found.get(str(FILES / case.path)) for case in cases}

    return run


@pytest.fixture(scope="session")
def installed() -> Callable[..., Any]:
    """`installed(install, client)`: what the installer gives, or a recorded skip."""
    from tests.clients.install.web import Missing

    def get(install: Callable[[], Any], client: str) -> Any:
        try:
            return install()
        except Missing as missing:
            record(client, "", "*", "*", "skipped", str(missing))
            pytest.skip(f"{client}: {missing}")

    return get
