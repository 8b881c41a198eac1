//! The sets of features with which each crate is built alone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// A crate of the workspace, as far as its builds are concerned.
#[derive(Debug, PartialEq, Eq)]
pub struct Package {
    pub name: String,
    /// From the workspace's root.
    pub folder: String,
    /// Crates of the workspace that it depends on, also for tests.
    pub depends_on: Vec<String>,
    /// Each feature with the features that it turns on.
    pub features: BTreeMap<String, Vec<String>>,
}

/// One set of features of a package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Combination {
    pub package: String,
    /// Sorted; empty is the package without features.
    pub features: Vec<String>,
}

/// Reads `cargo metadata --format-version 1 --no-deps`.
///
/// # Errors
/// When it does not have the expected form.
pub fn packages(metadata: &str) -> Result<Vec<Package>, String> {
    let metadata: Value = serde_json::from_str(metadata).map_err(|error| error.to_string())?;
    let root = metadata["workspace_root"].as_str().ok_or("metadata without workspace_root")?;
    let found = metadata["packages"].as_array().ok_or("metadata without packages")?;
    found.iter().map(|found| package(found, root)).collect()
}

fn package(found: &Value, root: &str) -> Result<Package, String> {
    let name = found["name"].as_str().ok_or("a package without a name")?.to_owned();
    let manifest = found["manifest_path"].as_str().unwrap_or_default();
    let folder = manifest.strip_prefix(root).and_then(|path| path.strip_suffix("Cargo.toml"));
    let folder = folder.ok_or_else(|| format!("{name} lies outside of the workspace"))?;
    let folder = folder.replace('\\', "/").trim_matches('/').to_owned();
    let dependencies = found["dependencies"].as_array().into_iter().flatten();
    let depends_on = dependencies
        .filter(|dependency| dependency["path"].is_string())
        .filter_map(|dependency| Some(dependency["name"].as_str()?.to_owned()))
        .collect();
    let features = found["features"].as_object().into_iter().flatten();
    let features = features.map(|(name, on)| {
        let on = on.as_array().into_iter().flatten().filter_map(Value::as_str);
        (name.clone(), on.map(str::to_owned).collect())
    });
    Ok(Package { name, folder, depends_on, features: features.collect() })
}

impl Package {
    /// No features, each feature, the default ones and all: each set once.
    pub fn combinations(&self) -> Vec<Combination> {
        let all: Vec<&str> = self.features.keys().map(String::as_str).collect();
        let each = all.iter().map(|&name| vec![name]);
        let sets = [vec![]].into_iter().chain(each).chain([all.clone()]);
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for set in sets {
            let features = self.turned_on(&set);
            if seen.insert(features.clone()) {
                let features = features.into_iter().collect();
                found.push(Combination { package: self.name.clone(), features });
            }
        }
        found
    }

    /// The features of a user who names none.
    pub fn default_features(&self) -> Combination {
        let features = self.turned_on(&["default"]).into_iter().collect();
        Combination { package: self.name.clone(), features }
    }

    /// The features that `set` turns on. `default` is only a name for others.
    fn turned_on(&self, set: &[&str]) -> BTreeSet<String> {
        let mut on = BTreeSet::new();
        let mut open: Vec<&str> = set.to_vec();
        while let Some(name) = open.pop() {
            if on.insert(name.to_owned()) {
                let next = self.features.get(name).into_iter().flatten().map(String::as_str);
                open.extend(next.filter(|name| self.features.contains_key(*name)));
            }
        }
        on.remove("default");
        on
    }
}

impl Combination {
    /// Arguments of cargo that build this and nothing else.
    pub fn args(&self) -> String {
        let Combination { package, features } = self;
        match features.as_slice() {
            [] => format!("--package {package} --no-default-features"),
            some => {
                format!("--package {package} --no-default-features --features {}", some.join(","))
            }
        }
    }

    /// A name for people and files.
    pub fn label(&self) -> String {
        match self.features.as_slice() {
            [] => format!("{} bare", self.package),
            some => format!("{} {}", self.package, some.join("+")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(features: &[(&str, &[&str])], expected: &[&str]) {
        let own = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let package = Package {
            name: "x".to_owned(),
            folder: String::new(),
            depends_on: Vec::new(),
            features: features.iter().map(|&(name, on)| (name.to_owned(), own(on))).collect(),
        };
        let found: Vec<String> = package
            .combinations()
            .iter()
            .map(|combination| combination.features.join("+"))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_crate_without_features_is_built_once() {
        check(&[], &[""]);
        check(&[("default", &[])], &[""]);
    }

    #[test]
    fn each_set_is_built_once() {
        check(&[("a", &["dep:q"]), ("b", &[])], &["", "a", "b", "a+b"]);
        check(&[("a", &[]), ("default", &["a"])], &["", "a"]);
        check(&[("a", &["b"]), ("b", &["q/r"]), ("default", &["b"])], &["", "a+b", "b"]);
    }

    #[test]
    fn metadata_is_read() {
        let text = r#"{"workspace_root": "/w", "packages": [{"name": "x",
            "manifest_path": "/w/crates/x/Cargo.toml", "features": {"a": ["dep:q"]},
            "dependencies": [{"name": "y", "path": "/w/y"}, {"name": "z"}]}]}"#;
        let packages = packages(text).unwrap();
        assert_eq!(packages[0].folder, "crates/x");
        assert_eq!(packages[0].depends_on, ["y"]);
        assert_eq!(
            packages[0].combinations()[1].args(),
            "--package x --no-default-features --features a"
        );
    }
}
