//! `/debug/pprof/`: profiles of the process, one at a time, by the threads for routes that take their time.

use crate::request::Request;
use crate::response::{Response, Status, TEXT};
use crate::route::{Route, Runs};
use spanwise_profiling::{Profile, ProfileError, allocs, cpu, heap, threads};
use spanwise_sdk::LiveView;
use std::sync::{Mutex, TryLockError};
use std::time::Duration;

pub(super) const ROUTES: &[Route<LiveView>] = &[
    route("/debug/pprof/", Runs::Inline, index),
    route("/debug/pprof/profile", Runs::Blocking, |_, request| {
        answer(request, "profile", take_cpu)
    }),
    route("/debug/pprof/heap", Runs::Blocking, |_, request| answer(request, "heap", |_| heap())),
    route("/debug/pprof/allocs", Runs::Blocking, |_, request| {
        answer(request, "allocs", |_| allocs())
    }),
    route("/debug/pprof/threads", Runs::Blocking, |_, request| {
        answer(request, "threads", |_| threads())
    }),
];

const fn route(
    path: &'static str,
    runs: Runs,
    answer: fn(&LiveView, &Request) -> Response,
) -> Route<LiveView> {
    Route { path, runs, is_page: false, answer }
}

fn index(_: &LiveView, _: &Request) -> Response {
    Response::ok(TEXT, INDEX)
}

/// The parameters of a request for a profile.
struct Parameters {
    /// The time of a CPU profile.
    seconds: Duration,
    is_text: bool,
}

impl Parameters {
    /// Returns the sentence that refuses a value.
    fn parse(request: &Request, name: &str) -> Result<Self, &'static str> {
        let seconds = match request.parameter("seconds") {
            None => SECONDS,
            Some(_) if name != "profile" => {
                return Err("accepted is `seconds` for `profile` alone");
            }
            Some(text) => match text.parse() {
                Ok(seconds @ 1..=60) => seconds,
                _ => return Err("accepted for `seconds` is a whole number from 1 to 60"),
            },
        };
        let is_text = match request.parameter("debug") {
            None | Some("0") => false,
            Some("1") => true,
            Some(_) => return Err("accepted for `debug` are 0 (pprof) and 1 (text)"),
        };
        Ok(Self { seconds: Duration::from_secs(seconds), is_text })
    }
}

fn take_cpu(parameters: &Parameters) -> Result<Profile, ProfileError> {
    cpu(parameters.seconds)
}

fn answer(
    request: &Request,
    name: &str,
    take: impl FnOnce(&Parameters) -> Result<Profile, ProfileError>,
) -> Response {
    let parameters = match Parameters::parse(request, name) {
        Ok(parameters) => parameters,
        Err(accepted) => return Response::text(Status::BadRequest, accepted),
    };
    let content_type = if parameters.is_text { TEXT } else { "application/octet-stream" };
    if request.is_head {
        return Response::ok(content_type, "");
    }
    let _one = match TAKEN.try_lock() {
        Ok(taken) => taken,
        // A panic in a profile leaves nothing behind.
        Err(TryLockError::Poisoned(taken)) => taken.into_inner(),
        Err(TryLockError::WouldBlock) => return refusal(&ProfileError::Busy),
    };
    let rendered = take(&parameters).and_then(|profile| match parameters.is_text {
        true => Ok(profile.to_text().into_bytes()),
        false => profile.to_pprof(),
    });
    match rendered {
        Ok(body) if parameters.is_text => Response::ok(content_type, body),
        Ok(body) => Response::ok(content_type, body)
            .with_header("Content-Disposition", format!("attachment; filename=\"{name}.pb.gz\"")),
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &ProfileError) -> Response {
    match error {
        ProfileError::Busy => {
            let line = "a profile is being taken; one at a time: try again when it has ended";
            Response::text(Status::Unavailable, line).with_header("Retry-After", "5")
        }
        ProfileError::NoSamplingAllocator | ProfileError::Unsupported(..) => {
            Response::text(Status::NotImplemented, &error.to_string())
        }
        error => Response::text(Status::Unavailable, &error.to_string()),
    }
}

/// Held while a profile is taken. The process may have several endpoints.
static TAKEN: Mutex<()> = Mutex::new(());

/// The time of a CPU profile without `seconds`, as Go's.
const SECONDS: u64 = 30;

const INDEX: &str = "\
/debug/pprof/profile?seconds=30  processor time of all threads (1 to 60 s)
/debug/pprof/heap                live allocations
/debug/pprof/allocs              all allocations since the start
/debug/pprof/threads             threads: names, states, processor time

go tool pprof http://<this address>/debug/pprof/heap
With debug=1, a profile is text.
";
