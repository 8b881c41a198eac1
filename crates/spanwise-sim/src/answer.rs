//! Responses of the receiver, with what each means to the sender by the text of the specification.

use crate::attempt::Attempt;
use crate::random::Random;
use spanwise_ledger::DropReason;
use spanwise_transport::Protocol;
use std::time::{Duration, SystemTime};

/// The meaning of an attempt's end, by the specification: the oracle of the classification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Accepted, but for this number of spans that the receiver claims to have rejected.
    Accepted {
        /// The claimed number, which may exceed that of the request.
        rejected: u64,
    },
    /// Failed for now.
    Retry {
        /// The receiver may have stored the spans.
        is_ambiguous: bool,
        /// There was no TLS session.
        is_tls: bool,
        /// The wait that the receiver requires of all requests.
        throttle: Throttled,
    },
    /// The encoding of the body is refused: the same request follows uncompressed, at once.
    RefusedEncoding,
    /// Failed for good.
    Permanent {
        /// The reason of the loss, if no other attempt was ambiguous.
        reason: DropReason,
        /// The receiver may have stored the spans.
        is_ambiguous: bool,
    },
}

/// The wait that a response requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Throttled {
    /// None.
    No,
    /// This time, from the response on.
    For(Duration),
    /// Until this time of the wall clock, which each side reads for itself.
    Until(SystemTime),
}

impl Meaning {
    /// A retryable failure without more.
    pub const fn retry(is_ambiguous: bool) -> Self {
        Self::Retry { is_ambiguous, is_tls: false, throttle: Throttled::No }
    }

    /// Whether the receiver may have stored the spans although the attempt failed.
    pub fn is_ambiguous(self) -> bool {
        match self {
            Self::Accepted { .. } | Self::RefusedEncoding => false,
            Self::Retry { is_ambiguous, .. } | Self::Permanent { is_ambiguous, .. } => is_ambiguous,
        }
    }
}

/// A complete response, and what the receiver did with the spans.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers, with names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The trailers of gRPC.
    pub trailers: Vec<(&'static str, String)>,
    /// Its meaning.
    pub meaning: Meaning,
    /// Spans that the receiver stored, of all.
    pub stored: u64,
    /// Whether the counts in the response are true.
    pub is_true: bool,
}

/// A kind of response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Success.
    Accept,
    /// Success for a part of the spans.
    Partial,
    /// Success, with a count of rejected spans that is not true.
    Lie,
    /// Success, with a body that is not OTLP.
    Garbled,
    /// Success, with a body beyond every limit.
    Oversized,
    /// 429, 503 or `UNAVAILABLE`, often with a wait.
    Overloaded,
    /// A gateway whose upstream gave no answer in time: 502, 504, `DEADLINE_EXCEEDED`.
    Gateway,
    /// 400, 401, 404, 500 or `INVALID_ARGUMENT`.
    Reject,
    /// 413, or `RESOURCE_EXHAUSTED` with the text of a limit.
    TooLarge,
    /// 3xx.
    Redirect,
    /// 415, 400 with the Collector's text, or `UNIMPLEMENTED`: for compressed bodies, seldom for all.
    RefuseEncoding,
}

impl Answer {
    /// A response of this kind to an attempt.
    pub fn draw(kind: Kind, attempt: &Attempt, random: &mut Random) -> Self {
        let kind = match kind {
            Kind::RefuseEncoding if !attempt.is_compressed && !random.one_in(8) => Kind::Accept,
            kind => kind,
        };
        match attempt.protocol {
            Protocol::Grpc => Self::grpc(kind, attempt, random),
            _ => Self::http(kind, attempt, random),
        }
    }

    /// The meaning of a status that refuses an encoding. An uncompressed body has none that could be refused.
    fn refused_encoding(attempt: &Attempt) -> Meaning {
        match attempt.is_compressed {
            true => Meaning::RefusedEncoding,
            false => permanent(DropReason::Rejected, false),
        }
    }

    fn http(kind: Kind, attempt: &Attempt, random: &mut Random) -> Self {
        let &Attempt { spans, wall, .. } = attempt;
        let accepted = Meaning::Accepted { rejected: 0 };
        let mut answer = Self {
            status: 200,
            headers: vec![("content-type", "application/x-protobuf".to_owned())],
            body: Vec::new(),
            trailers: Vec::new(),
            meaning: accepted,
            stored: spans,
            is_true: true,
        };
        match kind {
            Kind::Accept => {}
            Kind::Partial | Kind::Lie => answer.reject_some(kind, spans, random),
            // The status is a success; a body that cannot be decoded does not revoke it.
            Kind::Garbled => answer.body = b"<html>all is well</html>".to_vec(),
            Kind::Oversized => {
                answer.body = vec![0x0a; MAX_RESPONSE_BYTES + 1];
                answer.meaning = permanent(DropReason::ResponseTooLarge, true);
            }
            Kind::Overloaded => {
                answer.status = random.pick(&[(1, 429), (1, 503)]);
                let (value, throttle) = retry_after(wall, random);
                answer.headers.extend(value.map(|value| ("retry-after", value)));
                answer.fail(Meaning::Retry { is_ambiguous: false, is_tls: false, throttle });
            }
            Kind::Gateway => {
                answer.status = random.pick(&[(1, 502), (1, 504)]);
                let stored = answer.stored * random.below(2);
                answer.fail(Meaning::retry(true));
                answer.stored = stored;
            }
            Kind::Reject => {
                let statuses = [(1, 400), (1, 401), (1, 403), (1, 404), (1, 500), (1, 501)];
                answer.status = random.pick(&statuses);
                answer.fail(permanent(DropReason::Rejected, false));
            }
            Kind::TooLarge => {
                answer.status = 413;
                answer.fail(permanent(DropReason::TooLarge, false));
            }
            Kind::Redirect => {
                answer.status = random.pick(&[(1, 301), (1, 307), (1, 308)]);
                answer.fail(permanent(DropReason::Redirect, false));
            }
            Kind::RefuseEncoding => {
                answer.status = random.pick(&[(1, 415), (1, 400)]);
                if answer.status == 400 {
                    answer.headers[0].1 = "text/plain".to_owned();
                    answer.body = b"unsupported Content-Encoding: gzip\n".to_vec();
                }
                answer.fail(Self::refused_encoding(attempt));
            }
        }
        answer
    }

    fn grpc(kind: Kind, attempt: &Attempt, random: &mut Random) -> Self {
        let spans = attempt.spans;
        let mut answer = Self {
            status: 200,
            headers: vec![("content-type", "application/grpc".to_owned())],
            body: vec![0; 5],
            trailers: vec![("grpc-status", "0".to_owned())],
            meaning: Meaning::Accepted { rejected: 0 },
            stored: spans,
            is_true: true,
        };
        let (code, meaning) = match kind {
            Kind::Accept => return answer,
            Kind::Partial | Kind::Lie => {
                answer.reject_some(kind, spans, random);
                let len = (answer.body.len() as u32).to_be_bytes();
                answer.body.splice(0..0, [0].into_iter().chain(len));
                return answer;
            }
            Kind::Garbled => {
                answer.body = b"no message of gRPC".to_vec();
                answer.meaning = permanent(DropReason::AmbiguousResponse, true);
                return answer;
            }
            Kind::Oversized => {
                answer.body = vec![0; MAX_RESPONSE_BYTES + 1];
                answer.meaning = permanent(DropReason::ResponseTooLarge, true);
                return answer;
            }
            Kind::Overloaded => (14, Meaning::retry(false)),
            Kind::Gateway => (random.pick(&[(1, 1), (1, 4)]), Meaning::retry(true)),
            Kind::Reject => {
                let codes = [(1, 3), (1, 7), (1, UNIMPLEMENTED), (1, 13), (1, 16)];
                match random.pick(&codes) {
                    // A service without the method has the same code.
                    UNIMPLEMENTED => (UNIMPLEMENTED, Self::refused_encoding(attempt)),
                    code => (code, permanent(DropReason::Rejected, false)),
                }
            }
            Kind::RefuseEncoding => (UNIMPLEMENTED, Self::refused_encoding(attempt)),
            Kind::TooLarge | Kind::Redirect => {
                let text = "grpc: received message larger than max (5 vs. 4)".to_owned();
                answer.trailers.push(("grpc-message", text));
                (8, permanent(DropReason::TooLarge, false))
            }
        };
        let stored = if kind == Kind::Gateway { spans * random.below(2) } else { 0 };
        answer.trailers[0].1 = code.to_string();
        answer.body.clear();
        answer.fail(meaning);
        answer.stored = stored;
        answer
    }

    /// The meaning of the response without its body, which states in some responses what is refused.
    pub fn meaning_of_head(&self) -> Meaning {
        match self.meaning {
            Meaning::RefusedEncoding if self.status == 400 => {
                permanent(DropReason::Rejected, false)
            }
            meaning => meaning,
        }
    }

    fn fail(&mut self, meaning: Meaning) {
        self.meaning = meaning;
        self.stored = 0;
    }

    /// Fills in a partial success.
    fn reject_some(&mut self, kind: Kind, spans: u64, random: &mut Random) {
        let rejected = random.below(spans + 1);
        let claimed = match kind {
            Kind::Lie => random.pick(&[
                (1, rejected),
                (1, spans + 1 + rejected),
                (1, i64::MAX as u64),
                // A negative number, which counts as 0.
                (1, u64::MAX),
            ]),
            _ => rejected,
        };
        self.is_true = kind != Kind::Lie;
        if self.is_true {
            self.stored = spans - rejected;
        }
        let read = i64::try_from(claimed).map_or(0, |claimed| claimed as u64);
        self.meaning = Meaning::Accepted { rejected: read };
        self.body = partial_success(claimed);
    }
}

/// An `ExportTraceServiceResponse` with a partial success.
fn partial_success(rejected: u64) -> Vec<u8> {
    let mut inner = vec![0x08];
    let mut value = rejected;
    while value >= 0x80 {
        inner.push(value as u8 | 0x80);
        value >>= 7;
    }
    inner.push(value as u8);
    inner.extend_from_slice(b"\x12\x04full");
    let mut body = vec![0x0a, inner.len() as u8];
    body.extend_from_slice(&inner);
    body
}

/// The value of a `Retry-After`, and the wait that it asks for; absurd ones included.
fn retry_after(wall: SystemTime, random: &mut Random) -> (Option<String>, Throttled) {
    let seconds =
        |count: u64| (Some(count.to_string()), Throttled::For(Duration::from_secs(count)));
    match random.below(9) {
        0 | 1 => (None, Throttled::No),
        2 => seconds(0),
        3 | 4 => seconds(random.scaled(1, 120)),
        5 => seconds(1_000_000_000_000),
        6 => (Some("9".repeat(40)), Throttled::For(Duration::MAX)),
        7 => (Some("soon".to_owned()), Throttled::No),
        _ => {
            // A date, which has whole seconds, by a clock that may be hours from the sender's.
            let now = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
            let seconds = now + random.scaled(0, 100_000);
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            (Some(http_date(at)), Throttled::Until(at))
        }
    }
}

/// `at` as an IMF-fixdate (RFC 9110): `Sun, 06 Nov 1994 08:49:37 GMT`. By hand, because the transport parses
/// dates with `httpdate`, and an oracle shares no code with what it judges.
fn http_date(at: SystemTime) -> String {
    let seconds = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days from the civil calendar (Hinnant): March begins the year.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let name = MONTHS[month as usize % 12];
    let year = year + era * 400 + u64::from(month >= 10);
    let weekday = DAYS[(days % 7) as usize];
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{weekday}, {day:02} {name} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

fn permanent(reason: DropReason, is_ambiguous: bool) -> Meaning {
    Meaning::Permanent { reason, is_ambiguous }
}

/// From the day of the Unix epoch on.
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
/// From March on.
const MONTHS: [&str; 12] =
    ["Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb"];

const UNIMPLEMENTED: u32 = 12;
/// The default of `TransportBuilder::with_max_response_bytes`.
pub const MAX_RESPONSE_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_specification() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(http_date(at(784_111_777)), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(at(951_782_400)), "Tue, 29 Feb 2000 00:00:00 GMT");
    }

    #[test]
    fn a_partial_success_is_the_specification_s_message() {
        assert_eq!(partial_success(300)[..5], [0x0a, 9, 0x08, 0xac, 2]);
    }
}
