//! [`Recorder`]: the effective settings, as the functions that resolve them record them.

use super::super::settings::Setting;
use super::effective::EffectiveSetting;
use super::origin::Origin;
use crate::diagnostics::sanitize;
use std::cell::RefCell;
use std::collections::HashSet;

/// Finds the origin of a path in the declarative file; `None` if the file does not have the field.
pub(in super::super) type FileOrigins = Box<dyn Fn(&str) -> Option<Origin> + Send>;

/// The settings in code of a builder, before a file is applied to it.
#[derive(Default)]
pub(in super::super) struct Given {
    /// Each setting with the method that set it.
    pub(in super::super) methods: Vec<(&'static Setting, &'static str)>,
    pub(in super::super) resource_attributes: usize,
    pub(in super::super) headers: usize,
    pub(in super::super) destinations: usize,
}

/// Collects the effective settings of a builder while it is resolved, for an explanation, and for the doctor of a
/// provider that is built.
pub(crate) struct Recorder(Option<RefCell<State>>);

struct State {
    given: Given,
    file: Option<FileOrigins>,
    /// Names of headers that are values of variables in the file.
    hidden_headers: HashSet<String>,
    /// The variables whose values are in use.
    used: Vec<(Setting, &'static str)>,
    effective: Vec<EffectiveSetting>,
}

impl Recorder {
    /// A recorder that collects nothing.
    pub(in super::super) fn off() -> Self {
        Self(None)
    }

    /// A recorder for a builder with these settings in code.
    pub(in super::super) fn new(given: Given) -> Self {
        let (hidden_headers, used, effective) = (HashSet::new(), Vec::new(), Vec::new());
        let state = State { given, file: None, hidden_headers, used, effective };
        Self(Some(RefCell::new(state)))
    }

    /// A declarative file gives settings from now on.
    #[cfg(feature = "config-file")]
    pub(in super::super) fn set_file(&self, origins: FileOrigins) {
        if let Some(state) = &self.0 {
            state.borrow_mut().file = Some(origins);
        }
    }

    /// The names of these headers are values of variables.
    #[cfg(feature = "config-file")]
    pub(in super::super) fn hide_headers(&self, names: Vec<String>) {
        if let Some(state) = &self.0 {
            let names = names.iter().map(|name| name.to_ascii_lowercase());
            state.borrow_mut().hidden_headers = names.collect();
        }
    }

    /// Whether the name of a header is the value of a variable.
    pub(in super::super) fn is_hidden_header(&self, name: &str) -> bool {
        let is_hidden = |state: &RefCell<State>| {
            state.borrow().hidden_headers.contains(&name.to_ascii_lowercase())
        };
        self.0.as_ref().is_some_and(is_hidden)
    }

    /// The value of the variable `name` is in use for `setting`.
    pub(in super::super) fn used(&self, setting: &Setting, name: &'static str) {
        if let Some(state) = &self.0 {
            state.borrow_mut().used.push((*setting, name));
        }
    }

    /// The value of `setting` that is in force, without secrets. Its origin is the code, else the file, else the
    /// variable that was used last, else the default.
    pub(in super::super) fn effective(&self, setting: &Setting, value: impl FnOnce() -> String) {
        if let Some(state) = &self.0 {
            let origin = state.borrow().origin(setting);
            self.effective_from(setting, origin, value);
        }
    }

    /// As [`effective`](Self::effective), from a known origin.
    pub(in super::super) fn effective_from(
        &self,
        setting: &Setting,
        origin: Origin,
        value: impl FnOnce() -> String,
    ) {
        if let Some(state) = &self.0 {
            let value = sanitize(&value());
            let (setting, value) = (*setting, if value.is_empty() { none() } else { value });
            state.borrow_mut().effective.push(EffectiveSetting { setting, value, origin });
        }
    }

    /// The value of `setting`, whose default the limit of the container reduced: that at `path` of the file, else
    /// that of the control group.
    pub(in super::super) fn limited(
        &self,
        setting: &Setting,
        path: Option<&str>,
        value: impl FnOnce() -> String,
    ) {
        if let Some(state) = &self.0 {
            let find = |path| state.borrow().file.as_ref().and_then(|find| find(path));
            let origin = path.and_then(find).unwrap_or(Origin::ContainerLimit);
            self.effective_from(setting, origin, value);
        }
    }

    /// The origin of entries of a list that the file precedes: those of the file, then those in code.
    pub(in super::super) fn parts<'v, T>(
        &self,
        setting: &Setting,
        values: &'v [T],
        in_code: impl Fn(&Given) -> usize,
    ) -> Vec<(Origin, &'v [T])> {
        let Some(state) = &self.0 else { return Vec::new() };
        let state = state.borrow();
        let of_file = values.len().saturating_sub(in_code(&state.given));
        let (of_file, of_code) = values.split_at(of_file);
        let origins = [
            state.in_file(setting).unwrap_or(Origin::Default),
            Origin::Code { method: setting.method() },
        ];
        origins.into_iter().zip([of_file, of_code]).filter(|(_, part)| !part.is_empty()).collect()
    }

    /// The origin of a destination: those in code come before those of the file.
    pub(in super::super) fn destination(&self, setting: &Setting, index: usize) -> Origin {
        let Some(state) = &self.0 else { return Origin::Default };
        let state = state.borrow();
        match index.checked_sub(state.given.destinations) {
            None => Origin::Code { method: setting.method() },
            Some(further) => {
                let path = format!("tracer_provider.processors[{}]", further + 1);
                state.file.as_ref().and_then(|find| find(&path)).unwrap_or(Origin::Default)
            }
        }
    }

    /// The origin of a setting of a further destination: the first of `paths` that the processor at `place` has.
    pub(in super::super) fn in_processor(&self, place: &str, paths: &[&str]) -> Origin {
        let Some(state) = &self.0 else { return Origin::Default };
        let state = state.borrow();
        let find = |path: &&str| state.file.as_ref()?(&format!("tracer_provider.{place}.{path}"));
        paths.iter().find_map(find).unwrap_or(Origin::Default)
    }

    /// The settings that were recorded.
    pub(in super::super) fn take(&self) -> Vec<EffectiveSetting> {
        self.0
            .as_ref()
            .map(|state| std::mem::take(&mut state.borrow_mut().effective))
            .unwrap_or_default()
    }
}

impl State {
    fn origin(&self, setting: &Setting) -> Origin {
        let in_code = self.given.methods.iter().find(|(given, _)| *given == setting);
        if let Some((_, method)) = in_code {
            return Origin::Code { method };
        }
        let used = || self.used.iter().rev().find(|(used, _)| used == setting);
        self.in_file(setting)
            .or_else(|| used().map(|(_, name)| Origin::Variable { name }))
            .unwrap_or(Origin::Default)
    }

    fn in_file(&self, setting: &Setting) -> Option<Origin> {
        let find = self.file.as_ref()?;
        setting.paths.iter().find_map(|path| find(path))
    }
}

fn none() -> String {
    "none".to_owned()
}
