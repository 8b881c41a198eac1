//! The transport of a destination.

use crate::settings::{DestinationSettings, Target};
use crate::start_error::{ExitKind, StartError};
use crate::tls_files::start_error;
use spanwise_transport::{FileSink, FileSinkError, Transport, TransportBuilder};

/// Builds the transport of a destination.
///
/// # Errors
/// The settings of the transport are not valid, or a file cannot be opened.
pub(super) fn transport(settings: &DestinationSettings) -> Result<Transport, StartError> {
    let name = &settings.name;
    let failed = |kind, error: &dyn std::fmt::Display| {
        StartError::new(kind, format!("destination {name}: {error}"))
    };
    let sink = |sink: FileSink| TransportBuilder::default().with_sink(sink);
    let builder = match &settings.target {
        Target::Otlp(builder) => (**builder).clone(),
        Target::File { path, max_bytes } => {
            let mut file = FileSink::builder().with_path(path);
            if let Some(bytes) = max_bytes {
                file = file.with_max_file_bytes(*bytes);
            }
            let path = path.display();
            sink(file.build().map_err(|error| match error {
                FileSinkError::Path { problem, .. } => failed(
                    ExitKind::Other,
                    &format!("file.path: cannot write {path}: {problem}; accepted is a file in a directory that exists"),
                ),
                error => failed(ExitKind::Other, &error),
            })?)
        }
        Target::Debug => {
            let output = FileSink::builder().build();
            sink(output.map_err(|error| failed(ExitKind::Other, &error))?)
        }
    };
    builder.build().map_err(|error| start_error(&format!("destination {name}"), &error))
}
