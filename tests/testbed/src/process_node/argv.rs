//! Which local command plays a container: the image map and the container's own `command` and `args`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Image references and the local command that plays each image's entrypoint.
#[derive(Clone, Debug, Default)]
pub struct Images(BTreeMap<String, Vec<String>>);

impl Images {
    pub fn new(images: impl IntoIterator<Item = (String, Vec<String>)>) -> Self {
        Self(images.into_iter().map(|(reference, entrypoint)| (with_tag(&reference), entrypoint)).collect())
    }

    /// The entrypoint of an image; nothing when this node does not have the image.
    pub fn entrypoint(&self, reference: &str) -> Option<&[String]> {
        self.0.get(&with_tag(reference)).map(Vec::as_slice)
    }

    pub fn references(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// A reference without tag and digest means `:latest`.
fn with_tag(reference: &str) -> String {
    let name = reference.rsplit('/').next().unwrap_or(reference);
    if name.contains([':', '@']) { reference.to_owned() } else { format!("{reference}:latest") }
}

/// The whole command line: `command` takes the entrypoint's place, `args` follow either.
///
/// A `command` that calls the image's own program by another path (`/usr/local/bin/awp` where the image map says
/// `target/debug/awp`) means the mapped program.
pub fn command_line(entrypoint: &[String], command: &[String], args: &[String]) -> Vec<String> {
    let mut line = if command.is_empty() { entrypoint.to_vec() } else { command.to_vec() };
    if let (Some(program), Some(mapped)) = (line.first_mut(), entrypoint.first())
        && file_name(program) == file_name(mapped)
    {
        program.clone_from(mapped);
    }
    line.extend_from_slice(args);
    line
}

fn file_name(program: &str) -> Option<&OsStr> {
    Path::new(program).file_name()
}

/// The search path of a container: the folder of the image's program, then the machine's.
pub fn search_path(entrypoint: &[String], machine: &str) -> String {
    match entrypoint.first().and_then(|program| Path::new(program).parent()) {
        Some(folder) if folder.is_absolute() => format!("{}:{machine}", folder.display()),
        _ => machine.to_owned(),
    }
}

/// The file a program name means, looked up as `execvp` does.
pub fn find_program(program: &str, search_path: &str, working_dir: &Path) -> Option<PathBuf> {
    if program.contains('/') {
        let path = working_dir.join(program);
        return is_executable(&path).then_some(path);
    }
    std::env::split_paths(search_path).map(|folder| folder.join(program)).find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn command_replaces_the_entrypoint_and_args_extend_it() {
        for (entrypoint, command, args, line) in [
            ("/bin/awp worker", "", "", "/bin/awp worker"),
            ("/bin/awp", "", "worker --simulate", "/bin/awp worker --simulate"),
            ("/bin/awp worker", "sh -c", "true", "sh -c true"),
            ("/build/awp", "awp worker", "--simulate", "/build/awp worker --simulate"),
            ("/build/awp", "/usr/local/bin/awp worker", "", "/build/awp worker"),
            ("", "sleep 5", "", "sleep 5"),
            ("", "", "", ""),
        ] {
            assert_eq!(command_line(&words(entrypoint), &words(command), &words(args)), words(line));
        }
    }

    #[test]
    fn an_image_without_tag_is_its_latest() {
        let images =
            Images::new([("awp".to_owned(), words("/bin/awp")), ("r:5000/x@sha256:1".to_owned(), words("/x"))]);
        assert!(images.entrypoint("awp:latest").is_some());
        assert!(images.entrypoint("awp").is_some());
        assert!(images.entrypoint("awp:v1").is_none());
        assert!(images.entrypoint("r:5000/x@sha256:1").is_some());
        assert!(images.entrypoint("r:5000/awp").is_none());
    }

    #[test]
    fn programs_are_found_on_the_search_path() {
        assert!(find_program("sh", "/nowhere:/bin:/usr/bin", Path::new("/")).is_some());
        assert_eq!(find_program("/bin/sh", "", Path::new("/tmp")), Some("/bin/sh".into()));
        assert_eq!(find_program("no-such-program", "/bin:/usr/bin", Path::new("/")), None);
        assert_eq!(find_program("/etc", "", Path::new("/")), None);
    }

    #[test]
    fn the_images_folder_comes_first_on_the_search_path() {
        assert_eq!(search_path(&words("/build/awp"), "/bin"), "/build:/bin");
        assert_eq!(search_path(&words("awp"), "/bin"), "/bin");
        assert_eq!(search_path(&[], "/bin"), "/bin");
    }
}
