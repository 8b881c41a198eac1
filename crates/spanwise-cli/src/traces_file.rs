//! The traces of an OTLP export in a file.

use spanwise_wire::json::{self, JsonError};
use spanwise_wire::read::{TraceRequest, WireError};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// An `ExportTraceServiceRequest` in protobuf.
pub struct Traces {
    pub request: Vec<u8>,
    pub spans: u64,
}

/// The reason why a file has no traces that can be read.
#[derive(Debug, PartialEq, Eq)]
pub struct TracesError {
    /// Line and column from 1 on, in bytes.
    pub position: Option<(usize, usize)>,
    pub message: String,
}

impl TracesError {
    fn new(message: impl Into<String>) -> Self {
        Self { position: None, message: message.into() }
    }

    pub fn malformed(error: &WireError) -> Self {
        Self::new(format!("the file is no OTLP request in protobuf: {error}"))
    }
}

/// Reads JSON, as one object or as one on each line, or protobuf. The path `-` is the standard input.
pub fn read(path: &Path) -> Result<Traces, TracesError> {
    let unreadable = |error| TracesError::new(format!("the file cannot be read: {error}"));
    let mut bytes = Vec::new();
    match path.as_os_str() == "-" {
        true => std::io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes),
        false => {
            let file = File::open(path).map_err(unreadable)?;
            file.take(MAX_BYTES + 1).read_to_end(&mut bytes)
        }
    }
    .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(TracesError::new(format!("the file has more than {MAX_BYTES} bytes")));
    }
    let request = request(bytes)?;
    let spans = spans(&request).map_err(|error| TracesError::malformed(&error))?;
    Ok(Traces { request, spans })
}

fn request(bytes: Vec<u8>) -> Result<Vec<u8>, TracesError> {
    if bytes.trim_ascii().is_empty() {
        return Err(TracesError::new("the file is empty"));
    }
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Ok(bytes);
    }
    match from_json(&bytes) {
        // A line break before the brace may as well be the first field of protobuf, with the brace as its length.
        Err(_) if bytes.first() != Some(&b'{') && spans(&bytes).is_ok() => Ok(bytes),
        result => result,
    }
}

fn from_json(text: &[u8]) -> Result<Vec<u8>, TracesError> {
    let mut request = Vec::new();
    let mut lines = text.split_inclusive(|byte| *byte == b'\n');
    let first = lines.find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    // A line that is an object of its own begins a file of the Collector's exporter `file`.
    if json::to_protobuf(first, MAX_PROTOBUF, &mut request).is_err() {
        let whole = json::to_protobuf(text, MAX_PROTOBUF, &mut request);
        return whole.map(|()| request).map_err(|error| at(text, 0, error));
    }
    request.clear();
    let mut start = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if !line.trim_ascii().is_empty() {
            // The fields of several messages one after the other are those of one message.
            json::to_protobuf(line, MAX_PROTOBUF, &mut request)
                .map_err(|error| at(text, start, error))?;
        }
        start += line.len();
    }
    Ok(request)
}

/// An error of the part of `text` that begins at `start`.
fn at(text: &[u8], start: usize, error: JsonError) -> TracesError {
    let before = text.get(..start + error.position).unwrap_or(text);
    let line = before.split(|byte| *byte == b'\n');
    let column = line.clone().next_back().map_or(0, <[u8]>::len) + 1;
    TracesError { position: Some((line.count(), column)), message: error.problem.to_string() }
}

fn spans(request: &[u8]) -> Result<u64, WireError> {
    let mut spans = 0;
    for resource in TraceRequest::new(request).resources() {
        for scope in resource?.scopes() {
            spans += scope?.spans().count() as u64;
        }
    }
    Ok(spans)
}

/// The largest file that is read.
const MAX_BYTES: u64 = 256 << 20;
/// Protobuf is shorter than its JSON.
const MAX_PROTOBUF: usize = 256 << 20;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;

    const ONE: &str =
        r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"a"},{"name":"b"}]}]}]}"#;

    fn read_text(text: &str) -> Result<u64, TracesError> {
        request(text.as_bytes().to_vec()).map(|request| spans(&request).unwrap())
    }

    #[test]
    fn objects_on_lines_are_one_request() {
        assert_eq!(read_text(ONE), Ok(2));
        assert_eq!(read_text(&format!("\n{ONE}\n\n{ONE}")), Ok(4));
        let pretty = ONE.replace('[', "[\n").replace(',', ",\n  ");
        assert_eq!(read_text(&pretty), Ok(2));
    }

    #[test]
    fn protobuf_that_looks_like_json_is_protobuf() {
        let mut bytes = Vec::new();
        // A resource of 123 bytes, `{`.
        let url = "u".repeat(121);
        let text = format!(r#"{{"resourceSpans":[{{"schemaUrl":"{url}"}}]}}"#);
        json::to_protobuf(text.as_bytes(), MAX_PROTOBUF, &mut bytes).unwrap();
        assert_eq!(bytes.get(..2), Some(b"\n{".as_slice()));
        assert_eq!(request(bytes.clone()), Ok(bytes));
    }

    #[test]
    fn an_error_has_its_line_and_column() {
        let error = read_text(&format!("{ONE}\n  {{\"resourceSpans\": 3}}\n")).unwrap_err();
        assert_eq!(error.position, Some((2, 21)), "{error:?}");
        let error = read_text("{\n \"resourceSpans\": [}").unwrap_err();
        assert_eq!(error.position, Some((2, 20)), "{error:?}");
        assert_eq!(read_text(" \n").unwrap_err(), TracesError::new("the file is empty"));
    }
}
