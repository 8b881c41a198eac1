//! [`ConfigWatch`]: the thread that examines a configuration file, and reloads the provider when it changes.

use super::super::builder::SpanwiseBuilder;
use super::super::environment::{Environment, Lookup};
use super::super::error::BuildError;
use super::super::ranges::CONFIG_FILE_WATCH;
use super::super::settings;
use super::reloaded::ReloadError;
use super::watched_file::WatchedFile;
use crate::diagnostics::{Diagnostic, sanitize};
use crate::lifecycle::{Handle, StopSignal};
use crate::provider::Spanwise;
use opentelemetry::Context;
use spanwise_worker::{catch_panic, mask_sigpipe};
use std::sync::{Arc, Weak};
use std::time::Duration;

impl SpanwiseBuilder {
    /// Examines the configuration file at this interval, 1 s to 30 days, and [reloads](Spanwise::reload) the provider
    /// once its content has changed. Default: the file is read once.
    ///
    /// The settings in code stay above those of the file, and those of a [reload](Spanwise::reload) by the program stay
    /// until the file changes. A file that is being written is left until its times and
    /// its length are the same for the interval, or for a second if that is shorter. A file that cannot be used
    /// changes nothing, and is reported once, with the place of the mistake
    /// ([`Diagnostic::ConfigFileNotReloaded`]); it is tried again at each interval, as the cause may be another file, and the next
    /// one that can be used is applied and reported ([`Diagnostic::ConfigFileReloaded`]). Links are followed, so that a ConfigMap of Kubernetes
    /// can be watched, and a relative path is that of the folder at the time of the build.
    ///
    /// A thread of its own, `spanwise-config`, examines and reads the file, so that no file system delays the export.
    /// It ends with the provider. It has no effect without a file, for a provider that exports nothing, and in a forked
    /// child.
    ///
    /// ```no_run
    /// # use spanwise_sdk as spanwise;
    /// use spanwise::Spanwise;
    /// use std::time::Duration;
    ///
    /// fn main() -> Result<(), spanwise::BuildError> {
    ///     let _tracing = Spanwise::builder()
    ///         .with_config_file("/etc/shop/otel.yaml")
    ///         .with_config_file_watch(Duration::from_secs(10))
    ///         .init()?;
    ///     Ok(())
    /// }
    /// ```
    pub fn with_config_file_watch(mut self, interval: Duration) -> Self {
        self.config_file_watch = Some(interval);
        self
    }

    /// The watch of the file, if there is to be one. Call this before the file is read.
    ///
    /// # Errors
    /// The interval is too short.
    pub(in super::super) fn config_watch(
        &self,
        environment: &Environment,
        lookup: &Lookup,
    ) -> Result<Option<ConfigWatch>, BuildError> {
        let Some(interval) = self.config_file_watch else { return Ok(None) };
        CONFIG_FILE_WATCH.check(interval)?;
        let Some(path) = self.config_file_path(environment)? else {
            environment
                .unused(settings::CONFIG_FILE_WATCH.method(), "there is no configuration file");
            return Ok(None);
        };
        // Also after the program has changed its folder.
        let path = std::path::absolute(&path).unwrap_or(path);
        environment.effective(&settings::CONFIG_FILE_WATCH, || settings::millis(interval));
        let mut builder = Box::new(self.clone());
        builder.lookup = Some(lookup.clone());
        builder.config_file = Some(path.clone());
        Ok(Some(ConfigWatch { file: WatchedFile::new(path), interval, builder, error: None }))
    }
}

/// The watch of a file, before its thread is started.
pub(in super::super) struct ConfigWatch {
    file: WatchedFile,
    interval: Duration,
    /// The settings in code, with those of the file to come.
    builder: Box<SpanwiseBuilder>,
    /// The error of the last reload.
    error: Option<String>,
}

impl ConfigWatch {
    /// Starts the thread for a provider that can be reloaded.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(in super::super) fn start(self, spanwise: &Spanwise) -> Result<(), BuildError> {
        let handle = &spanwise.handle;
        let is_running = handle.running.lock().is_ok_and(|running| running.is_some());
        if !is_running {
            return Ok(());
        }
        let stop = StopSignal::new();
        let (weak, theirs) = (Arc::downgrade(handle), stop.clone());
        let run = move || {
            mask_sigpipe();
            let _suppressed = Context::enter_telemetry_suppressed_scope();
            self.run(&weak, &theirs);
        };
        let thread = std::thread::Builder::new().name("spanwise-config".to_owned());
        thread.spawn(run).map_err(BuildError::Worker)?;
        let _first = handle.watch.set(stop);
        Ok(())
    }

    fn run(mut self, handle: &Weak<Handle>, stop: &StopSignal) {
        loop {
            let settling = self.file.is_changing().then_some(SETTLED_AFTER);
            if stop.wait(settling.unwrap_or(self.interval).min(self.interval)) {
                return;
            }
            // The program may set its subscriber after the start of the thread.
            #[cfg(feature = "tracing")]
            spanwise_worker::suppress_tracing();
            let is_due = self.file.is_due();
            // Another file may have been the cause, such as a certificate that was being replaced.
            let is_tried_again = self.error.is_some() && !self.file.is_changing();
            if !is_due && !is_tried_again {
                continue;
            }
            let Some(handle) = handle.upgrade() else { return };
            // The builder has code of the user's.
            let _reported = catch_panic(|| self.reload(&handle));
        }
    }

    fn reload(&mut self, handle: &Handle) {
        let builder = SpanwiseBuilder::clone(&self.builder);
        let mut reloaded = handle.reload(builder.clone());
        for _ in 0..TRIES {
            if !matches!(reloaded, Err(ReloadError::InProgress)) {
                break;
            }
            std::thread::sleep(RETRY_AFTER);
            reloaded = handle.reload(builder.clone());
        }
        let file = sanitize(&self.file.path().display().to_string());
        let diagnostic = match reloaded {
            // The end of an error is reported, also if the earlier content is back.
            Ok(reloaded) if self.error.take().is_none() && reloaded.is_unchanged() => return,
            Ok(reloaded) => Diagnostic::ConfigFileReloaded { file, reloaded: Box::new(reloaded) },
            Err(ReloadError::NotRunning { .. }) => return,
            Err(error) => {
                let error = sanitize(&error.to_string());
                if self.error.replace(error.clone()).as_ref() == Some(&error) {
                    return;
                }
                Diagnostic::ConfigFileNotReloaded { file, error }
            }
        };
        handle.reporter().report(diagnostic);
    }
}

/// The time for which a changed file must stay the same, if the interval is longer.
const SETTLED_AFTER: Duration = Duration::from_secs(1);
/// Tries while the program itself reloads.
const TRIES: u32 = 100;
const RETRY_AFTER: Duration = Duration::from_millis(10);
