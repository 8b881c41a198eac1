//! The printed texts, and the secret's places.

use spanwise_testkit::Peer;
use std::collections::BTreeSet;
use std::fmt::{Debug, Display};
use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const SECRET: &str = "hunter2canary";
pub const LONG: Duration = Duration::from_secs(20);

/// The printed texts, each with the name of its source, and the printed types.
#[derive(Clone, Default)]
pub struct Printed {
    texts: Arc<Mutex<Vec<(String, String)>>>,
    pub types: Arc<Mutex<BTreeSet<String>>>,
}

impl Printed {
    fn add(&self, source: &str, text: impl Into<String>) {
        self.texts.lock().unwrap().push((source.to_owned(), text.into()));
    }

    /// Stores the type's name: `spanwise_transport::delivery::Delivery` as `transport::Delivery`.
    fn saw<T: ?Sized>(&self) {
        let name = std::any::type_name::<T>().trim_start_matches('&');
        let name = name.strip_prefix("core::option::Option<").unwrap_or(name).trim_end_matches('>');
        if let Some((member, path)) = name.split_once("::")
            && let Some(member) = member.strip_prefix("spanwise_")
        {
            let path = path.split('<').next().unwrap_or(path);
            let name = path.rsplit("::").next().unwrap_or(path);
            self.types.lock().unwrap().insert(format!("{member}::{name}"));
        }
    }

    pub fn debug<T: Debug>(&self, source: &str, value: T) {
        self.saw::<T>();
        self.add(source, format!("{value:?} {value:#?}"));
    }

    pub fn error<E: Debug + Display>(&self, source: &str, error: E) {
        self.saw::<E>();
        self.add(source, format!("{error} {error:?} {error:#?}"));
    }

    pub fn result<T: Debug, E: Debug + Display>(&self, source: &str, result: &Result<T, E>) {
        match result {
            Ok(value) => self.debug(source, value),
            Err(error) => self.error(source, error),
        }
    }

    pub fn check(&self) {
        let printed = self.texts.lock().unwrap();
        assert!(!printed.is_empty());
        for (source, text) in printed.iter() {
            assert!(!text.contains(SECRET), "{source} shows the secret: {text}");
            // `Debug` of bytes prints a list of numbers.
            let numbers: Vec<_> = SECRET.bytes().map(|byte| byte.to_string()).collect();
            assert!(!text.contains(&numbers.join(", ")), "{source} shows its bytes: {text}");
        }
    }
}

/// A URL with the secret as user info and in the query.
pub fn url(rest: &str) -> String {
    format!("http://{SECRET}:{SECRET}@{rest}?token={SECRET}")
}

/// A URL that the parser accepts: it refuses user info.
pub fn with_query(rest: &str) -> String {
    format!("http://{rest}?token={SECRET}")
}

/// A server that answers every request with `head` and with the request as the body.
pub fn echo(head: &'static str) -> Peer {
    Peer::start(move |mut stream| {
        let mut request = vec![0; 16 << 10];
        let Ok(len) = stream.read(&mut request) else { return };
        let request = String::from_utf8_lossy(&request[..len]).into_owned();
        let answer = format!("{head}content-length: {}\r\n\r\n{request}", request.len());
        let _closed = stream.write_all(answer.as_bytes());
    })
    .unwrap()
}
