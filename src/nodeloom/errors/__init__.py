"""Every error nodeloom raises, in one tree.

::

    NodeloomError
    ├── DefinitionError            what an author wrote cannot work (TypeError)
    │   ├── SignatureError         `work` asks for a parameter that does not exist
    │   └── FrozenDefinition       a compiled definition was changed
    ├── ParamsError                params that do not validate (ValueError)
    ├── FormError                  options or a value that a form cannot use (ValueError)
    ├── RegistryError              the catalogue of node types
    │   ├── UnknownNodeType        no such identifier, or no such version (LookupError)
    │   └── DuplicateNodeType      two node types under one identifier and version
    ├── ExpressionError            the expression language; carries text and position
    │   ├── ExpressionSyntaxError  it cannot be parsed
    │   ├── UnknownName            it names something that does not exist
    │   ├── ExpressionTypeError    an operation on values that do not fit
    │   └── ExpressionLimit        it went past a bound on size, depth or work
    ├── GraphError                 a graph that cannot be compiled; carries every problem
    │   └── DocumentError          the same, for a document
    ├── StepError                  what can fail a step or its run
    │   ├── OutputError            `work` returned what is no output (TypeError)
    │   ├── RoutingError           a condition or a Route failed while running
    │   ├── StateConflict          two branches replaced one key
    │   ├── ReducerFailed          a reducer raised while an update was merged
    │   ├── QuorumNotReached       a quorum that can no longer be met
    │   ├── MaxStepsExceeded       a runaway loop
    │   ├── PoolExhausted          no thread is left for a step
    │   ├── WorkerDied             a worker process ended before it gave its outputs
    │   ├── StartFailed            `on_start` failed in a worker process
    │   ├── RemoteError            an error of a class that only a worker process knows
    │   ├── RetryAfter             try again, but not before so many seconds
    │   ├── StepTimeout            an attempt took longer than its Timeout (TimeoutError)
    │   ├── DeadlineExceeded       a step took longer than its Deadline (TimeoutError)
    │   ├── CircuitOpen            a circuit breaker lets nothing through
    │   ├── PolicyError            a policy cannot do its part, as a key that cannot be made
    │   │   ├── RateLimitConflict      two different rate limits under one key
    │   │   └── ConcurrencyConflict    two different limits of concurrency under one key
    │   ├── StoreUnavailable       a store that steps depend on did not answer
    │   ├── PathNotAllowed         a file outside the allowed roots
    │   ├── LimitExceeded          a size or count limit of a node was passed
    │   ├── SecretError            a secret cannot be had
    │   │   └── SecretNotFound         there is none of that name (LookupError)
    │   ├── CommandFailed          a command ended with a status that is no success
    │   ├── ActorStopped           an actor takes no message any more
    │   ├── MessageDropped         a message that somebody asked with was dropped
    │   └── MailboxDeadlock        actors wait in a circle for room in one another's mailboxes
    ├── AskTimeout                 no reply came in time (TimeoutError)
    ├── UnknownActor               no actor of that name (LookupError)
    ├── NotStorable                a value that no store can keep (TypeError)
    ├── RunFailed                  `graph.run` of a run that failed; carries the result
    ├── RunCancelled               `graph.run` of a run that was cancelled by its engine
    ├── ClockStopped               `clock.run` of a clock that stopped before its time; carries the report
    ├── EngineClosed               work was given to an engine that is closed
    └── ChannelError               a channel did not take a message, or has none to give
        ├── ChannelClosed          it is closed
        └── ChannelFull            it is full, and refuses

    asyncio.CancelledError
    └── StillRunning               a step was cancelled, and its code goes on running on a thread
"""

from __future__ import annotations

from .actors import ActorStopped, AskTimeout, MailboxDeadlock, MessageDropped, UnknownActor
from .channels import ChannelClosed, ChannelError, ChannelFull
from .definitions import (
    DefinitionError,
    DuplicateNodeType,
    FormError,
    FrozenDefinition,
    NodeloomError,
    NotStorable,
    ParamsError,
    RegistryError,
    SignatureError,
    UnknownNodeType,
)
from .expressions import ExpressionError, ExpressionLimit, ExpressionSyntaxError, ExpressionTypeError, UnknownName
from .graphs import DocumentError, GraphError
from .problems import Problem
from .runs import ClockStopped, EngineClosed, RunCancelled, RunFailed
from .steps import (
    CircuitOpen,
    CommandFailed,
    ConcurrencyConflict,
    DeadlineExceeded,
    LimitExceeded,
    MaxStepsExceeded,
    OutputError,
    PathNotAllowed,
    PolicyError,
    PoolExhausted,
    QuorumNotReached,
    RateLimitConflict,
    ReducerFailed,
    RemoteError,
    RetryAfter,
    RoutingError,
    SecretError,
    SecretNotFound,
    StartFailed,
    StateConflict,
    StepError,
    StepTimeout,
    StillRunning,
    StoreUnavailable,
    WorkerDied,
)

__all__ = [
    "ActorStopped",
    "AskTimeout",
    "ChannelClosed",
    "ChannelError",
    "ChannelFull",
    "CircuitOpen",
    "ClockStopped",
    "CommandFailed",
    "ConcurrencyConflict",
    "DeadlineExceeded",
    "DefinitionError",
    "DocumentError",
    "DuplicateNodeType",
    "EngineClosed",
    "ExpressionError",
    "ExpressionLimit",
    "ExpressionSyntaxError",
    "ExpressionTypeError",
    "FormError",
    "FrozenDefinition",
    "GraphError",
    "LimitExceeded",
    "MailboxDeadlock",
    "MaxStepsExceeded",
    "MessageDropped",
    "NodeloomError",
    "NotStorable",
    "OutputError",
    "ParamsError",
    "PathNotAllowed",
    "PolicyError",
    "PoolExhausted",
    "Problem",
    "QuorumNotReached",
    "RateLimitConflict",
    "ReducerFailed",
    "RegistryError",
    "RemoteError",
    "RetryAfter",
    "RoutingError",
    "RunCancelled",
    "RunFailed",
    "SecretError",
    "SecretNotFound",
    "SignatureError",
    "StartFailed",
    "StateConflict",
    "StepError",
    "StepTimeout",
    "StillRunning",
    "StoreUnavailable",
    "UnknownActor",
    "UnknownName",
    "UnknownNodeType",
    "WorkerDied",
]

for _name in __all__:  # what an error is called does not depend on where in here it is written
    globals()[_name].__module__ = __name__
