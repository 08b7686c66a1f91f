//! A volume's files on disk, replaced all at once.
//!
//! As the kubelet does it: the files lie in a folder of their own, `..data` points at it, and every name in the
//! volume points through `..data`. A new set of files is written beside the old one, and one rename of `..data`
//! switches all names over. A reader sees the old set or the new one, never a mixture.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::Path;

use super::volumes::Payload;

const DATA: &str = "..data";
const NEW_DATA: &str = "..data_new";

/// A folder (with its parents) that only its owner may enter.
pub fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// A file that did not exist before, with this mode from its first moment.
pub fn private_file(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?.write_all(content)
}

/// Makes `volume` show exactly `files`; `version` names the new set and must not have been used before.
pub fn replace(volume: &Path, files: &Payload, version: &str) -> io::Result<()> {
    private_folder(volume)?;
    let old = fs::read_link(volume.join(DATA)).ok();
    let new = format!("..{version}");
    for (path, file) in files {
        let path = volume.join(&new).join(path);
        if let Some(parent) = path.parent() {
            private_folder(parent)?;
        }
        private_file(&path, &file.content, file.mode)?;
    }
    private_folder(&volume.join(&new))?;
    symlink(&new, volume.join(NEW_DATA))?;
    fs::rename(volume.join(NEW_DATA), volume.join(DATA))?;

    let names: BTreeSet<&str> = files.keys().filter_map(|path| path.split('/').next()).collect();
    for name in &names {
        let link = volume.join(name);
        if fs::symlink_metadata(&link).is_err() {
            symlink(Path::new(DATA).join(name), link)?;
        }
    }
    for entry in fs::read_dir(volume)? {
        let entry = entry?;
        let name = entry.file_name();
        let stale = name.to_str().is_some_and(|name| !name.starts_with("..") && !names.contains(name));
        // What a container put there itself is no link, and not the node's to remove.
        if stale && entry.file_type()?.is_symlink() {
            fs::remove_file(entry.path())?;
        }
    }
    if let Some(old) = old {
        fs::remove_dir_all(volume.join(old))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::volumes::File;
    use super::*;

    fn files<const N: usize>(files: [(&str, &str); N]) -> Payload {
        files
            .map(|(path, content)| (path.to_owned(), File { content: content.as_bytes().to_vec(), mode: 0o600 }))
            .into()
    }

    fn names(volume: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(volume).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_new_set_of_files_replaces_the_old_one() {
        let home = tempfile::tempdir().unwrap();
        let volume = home.path().join("volume");
        replace(&volume, &files([("user", "ann"), ("tls/key", "k1"), ("tls/crt", "c1")]), "1").unwrap();
        assert_eq!(fs::read_to_string(volume.join("tls/key")).unwrap(), "k1");
        assert_eq!(names(&volume), ["..1", "..data", "tls", "user"]);

        replace(&volume, &files([("user", "bob"), ("pass", "p")]), "2").unwrap();
        assert_eq!(fs::read_to_string(volume.join("user")).unwrap(), "bob");
        assert_eq!(names(&volume), ["..2", "..data", "pass", "user"]);

        replace(&volume, &files([]), "3").unwrap();
        assert_eq!(names(&volume), ["..3", "..data"]);
    }

    #[test]
    fn only_the_owner_reads_them() {
        let home = tempfile::tempdir().unwrap();
        let volume = home.path().join("volume");
        replace(&volume, &files([("password", "hunter2")]), "1").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&volume), 0o700);
        assert_eq!(mode(&volume.join("password")), 0o600);
    }
}
