//! The answers of one process.

use super::model::Model;
use crate::address::Address;
use crate::http;

/// The endpoint of a process.
#[derive(Debug, Clone)]
pub(super) struct Source {
    address: Address,
}

impl Source {
    pub(super) fn new(address: Address) -> Self {
        Self { address }
    }

    /// Host and port, for a title.
    pub(super) fn authority(&self) -> String {
        self.address.authority()
    }

    /// The present state of the process.
    ///
    /// # Errors
    /// Names the URL, the problem and its fix.
    pub(super) fn fetch(&self) -> Result<Model, String> {
        let url = &self.address;
        let body = http::get(url).map_err(|error| format!("{url}: {error}; {}", error.fix()))?;
        let fix = "check that this is the endpoint of `spanwise-admin`, and of this version";
        Model::parse(&body).map_err(|problem| format!("{url}: {problem}; {fix}"))
    }
}
