//! The exporter of a processor.

use super::hidden::Hidden;
use super::otlp::{self, Otlp};
use spanwise_config::Field;
use std::path::PathBuf;

/// The exporter of a processor, and its place in the file.
#[derive(Debug)]
pub(super) struct Exporter<'d> {
    pub(super) field: Field<'d>,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Otlp(Box<Otlp>),
    /// Lines of OTLP/JSON.
    File(PathBuf, Hidden),
    StandardOutput,
}

pub(super) fn read<'d>(field: &Field<'d>) -> Option<Exporter<'d>> {
    let (name, field) = field.clone().required().kind(KINDS)?;
    let kind = match name {
        "otlp_http" => Kind::Otlp(Box::new(otlp::http(&field)?)),
        "otlp_grpc" => Kind::Otlp(Box::new(otlp::grpc(&field)?)),
        "console" => {
            field.mapping(&[]);
            Kind::StandardOutput
        }
        "zipkin" => {
            field
                .error("there is no Zipkin exporter; Zipkin's successors take OTLP: use otlp_http");
            return None;
        }
        _ => file(&field)?,
    };
    Some(Exporter { field, kind })
}

fn file(field: &Field<'_>) -> Option<Kind> {
    let stream = field.mapping(&["output_stream"]).get("output_stream");
    match stream.string() {
        None if stream.has_value() => None,
        None | Some("stdout") => Some(Kind::StandardOutput),
        Some(url) => match url.strip_prefix("file://").filter(|path| path.starts_with('/')) {
            Some(path) => {
                let mut hidden = Hidden::default();
                hidden.add(&stream);
                Some(Kind::File(path.into(), hidden))
            }
            None => {
                stream.error("accepted is stdout, or file:///path for an absolute path");
                None
            }
        },
    }
}

const KINDS: &[&str] =
    &["otlp_http", "otlp_grpc", "otlp_file/development", "otlp_file", "console", "zipkin"];
