//! A response: its status, headers and body.

use crate::request::HeadError;
use std::borrow::Cow;
use std::fmt::Write as _;

/// A response to a request.
#[derive(Debug, Clone)]
pub struct Response {
    pub(crate) status: Status,
    content_type: &'static str,
    /// Further headers, each a name and a value of ours.
    headers: Vec<(&'static str, Cow<'static, str>)>,
    body: Vec<u8>,
}

/// The status of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// 200.
    Ok,
    /// 302.
    Found,
    /// 400.
    BadRequest,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 408.
    RequestTimeout,
    /// 413.
    ContentTooLarge,
    /// 421.
    MisdirectedRequest,
    /// 431.
    HeadersTooLarge,
    /// 500.
    InternalError,
    /// 501.
    NotImplemented,
    /// 503.
    Unavailable,
    /// 505.
    VersionNotSupported,
}

impl Response {
    /// `200 OK` with this body.
    pub fn ok(content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status: Status::Ok, content_type, headers: Vec::new(), body: body.into() }
    }

    /// A line of text.
    pub fn text(status: Status, line: &str) -> Self {
        let body = format!("{line}\n");
        Self { status, content_type: TEXT, headers: Vec::new(), body: body.into() }
    }

    /// With a further header. The value has no line break.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// `302 Found`: the resource is at this path.
    #[must_use]
    pub fn redirect(path: &'static str) -> Self {
        Self::text(Status::Found, path).with_header("Location", path)
    }

    /// The response to a head that is refused.
    pub(crate) fn of_refusal(error: HeadError) -> Self {
        match error {
            HeadError::Malformed => Self::text(Status::BadRequest, "this is no HTTP/1.1 request"),
            HeadError::Version => {
                Self::text(Status::VersionNotSupported, "accepted are HTTP/1.0 and HTTP/1.1")
            }
            HeadError::Method => Self::text(
                Status::MethodNotAllowed,
                "accepted are GET and HEAD: nothing here changes",
            )
            .with_header("Allow", "GET, HEAD"),
            HeadError::Body => Self::text(Status::ContentTooLarge, "no request here has a body"),
            HeadError::Host => Self::text(Status::BadRequest, "accepted is one Host header"),
        }
    }

    /// The bytes to send; without the body for a `HEAD` request. A body above [`MAX_BODY_BYTES`] is replaced by an error.
    pub(crate) fn encode(self, is_head: bool, keeps_alive: bool) -> Vec<u8> {
        if self.body.len() > MAX_BODY_BYTES {
            let error = Self::text(Status::InternalError, "the response is larger than 16 MiB");
            return error.encode(is_head, keeps_alive);
        }
        let mut head = String::with_capacity(512);
        let connection = if keeps_alive { "keep-alive" } else { "close" };
        let _infallible = write!(
            head,
            "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: {connection}\r\n{SECURITY}",
            self.status.line(),
            self.content_type,
            self.body.len(),
        );
        for (name, value) in &self.headers {
            let _infallible = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        if !is_head {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

impl Status {
    fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::Found => "302 Found",
            Self::BadRequest => "400 Bad Request",
            Self::Forbidden => "403 Forbidden",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::RequestTimeout => "408 Request Timeout",
            Self::ContentTooLarge => "413 Content Too Large",
            Self::MisdirectedRequest => "421 Misdirected Request",
            Self::HeadersTooLarge => "431 Request Header Fields Too Large",
            Self::InternalError => "500 Internal Server Error",
            Self::NotImplemented => "501 Not Implemented",
            Self::Unavailable => "503 Service Unavailable",
            Self::VersionNotSupported => "505 HTTP Version Not Supported",
        }
    }
}

/// Text.
pub const TEXT: &str = "text/plain; charset=utf-8";
/// A page.
pub const HTML: &str = "text/html; charset=utf-8";
/// JSON.
pub const JSON: &str = "application/json";
/// No response is guessed to be of another type, stored, or read by a page of another site.
const SECURITY: &str = "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n\
     Cross-Origin-Resource-Policy: same-origin\r\nReferrer-Policy: no-referrer\r\n";
/// The largest body: a profile of a large program.
const MAX_BODY_BYTES: usize = 16 << 20;
