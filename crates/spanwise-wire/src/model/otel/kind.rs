//! Span kinds and statuses.

use crate::model::{SpanKind, Status, StatusCode};
use opentelemetry::trace as api;

impl From<&api::SpanKind> for SpanKind {
    #[inline(always)]
    fn from(kind: &api::SpanKind) -> Self {
        match kind {
            api::SpanKind::Internal => Self::Internal,
            api::SpanKind::Server => Self::Server,
            api::SpanKind::Client => Self::Client,
            api::SpanKind::Producer => Self::Producer,
            api::SpanKind::Consumer => Self::Consumer,
        }
    }
}

impl From<api::SpanKind> for SpanKind {
    #[inline(always)]
    fn from(kind: api::SpanKind) -> Self {
        Self::from(&kind)
    }
}

impl From<SpanKind> for api::SpanKind {
    fn from(kind: SpanKind) -> Self {
        match kind {
            SpanKind::Internal => Self::Internal,
            SpanKind::Server => Self::Server,
            SpanKind::Client => Self::Client,
            SpanKind::Producer => Self::Producer,
            SpanKind::Consumer => Self::Consumer,
        }
    }
}

impl<'a> From<&'a api::Status> for Status<'a> {
    #[inline]
    fn from(status: &'a api::Status) -> Self {
        match status {
            api::Status::Unset => Self::UNSET,
            api::Status::Ok => Self::OK,
            api::Status::Error { description } => Self::error(description),
        }
    }
}

impl From<Status<'_>> for api::Status {
    fn from(status: Status<'_>) -> Self {
        match status.code {
            StatusCode::Unset => Self::Unset,
            StatusCode::Ok => Self::Ok,
            StatusCode::Error => Self::error(status.description.to_owned()),
        }
    }
}
