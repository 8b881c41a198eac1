//! The files that are mapped as code: a reader with the files at hand resolves what a stripped program
//! cannot.

/// A range of addresses, and the file that is mapped there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) offset: u64,
    pub(crate) file: String,
}

/// The mapped code of this process, the program first; empty where the system does not list it.
pub(crate) fn mappings() -> Vec<Mapping> {
    let text = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut mappings: Vec<Mapping> = text.lines().filter_map(mapping).collect();
    let program = std::env::current_exe().unwrap_or_default();
    let program = program.to_string_lossy();
    mappings.sort_by_key(|mapping| mapping.file != program);
    mappings
}

/// Reads `start-end permissions offset device inode path`.
fn mapping(line: &str) -> Option<Mapping> {
    let mut fields = line.split_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let permissions = fields.next()?;
    let offset = fields.next()?;
    let hex = |text| u64::from_str_radix(text, 16).ok();
    // A path may have blanks; one that was deleted has a remark, which is part of the name to a reader.
    let file = line.splitn(6, ' ').nth(5)?.trim_start();
    let is_code = permissions.contains('x') && file.starts_with('/');
    is_code.then_some(Mapping {
        start: hex(start)?,
        end: hex(end)?,
        offset: hex(offset)?,
        file: file.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_of_files_is_read() {
        let line = "55d0c0a00000-55d0c0b00000 r-xp 0001f000 08:01 1234      /usr/bin/a program";
        let expected = Mapping {
            start: 0x55d0_c0a0_0000,
            end: 0x55d0_c0b0_0000,
            offset: 0x1f000,
            file: "/usr/bin/a program".to_owned(),
        };
        assert_eq!(mapping(line), Some(expected));
        assert_eq!(mapping(&line.replace("r-xp", "r--p")), None);
        assert_eq!(
            mapping("7ffc0000-7ffd0000 r-xp 00000000 00:00 0                  [vdso]"),
            None
        );
        assert_eq!(mapping("nonsense"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_program_is_first() {
        let program = std::env::current_exe().unwrap();
        assert_eq!(mappings()[0].file, program.to_string_lossy());
    }
}
