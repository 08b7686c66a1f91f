//! Mount paths as the pod writes them, and the folders that stand for them on this machine.
//!
//! There is no mount namespace: what a container would find at `/etc/awp/broker` lies in a folder of the pod.
//! Wherever the pod *names* the mount path (an env value, an argument, a working folder), the folder is put in its
//! place. A path written into the program itself is not found; such programs need a real node.

use std::path::{Path, PathBuf};

/// The mounts of one container.
#[derive(Clone, Debug, Default)]
pub struct Mounts(Vec<(String, PathBuf)>);

impl Mounts {
    pub fn new(mounts: impl IntoIterator<Item = (String, PathBuf)>) -> Self {
        let mut mounts: Vec<_> = mounts
            .into_iter()
            .map(|(path, folder)| (path.trim_end_matches('/').to_owned(), folder))
            .filter(|(path, _)| !path.is_empty())
            .collect();
        // A mount inside a mount wins over the outer one.
        mounts.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        Self(mounts)
    }

    /// The folder that stands for this mount path exactly.
    pub fn folder(&self, mount_path: &str) -> Option<&Path> {
        let wanted = mount_path.trim_end_matches('/');
        self.0.iter().find(|(path, _)| path == wanted).map(|(_, folder)| folder.as_path())
    }

    /// The text with a mount path at its start (or after the `=` of a `--flag=path`) replaced.
    pub fn rewrite(&self, text: &str) -> String {
        if let Some(path) = self.rewritten_path(text) {
            return path;
        }
        if text.starts_with('-')
            && let Some((flag, value)) = text.split_once('=')
            && let Some(path) = self.rewritten_path(value)
        {
            return format!("{flag}={path}");
        }
        text.to_owned()
    }

    fn rewritten_path(&self, text: &str) -> Option<String> {
        self.0.iter().find_map(|(path, folder)| {
            let below = text.strip_prefix(path.as_str())?;
            (below.is_empty() || below.starts_with('/')).then(|| format!("{}{below}", folder.display()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounts() -> Mounts {
        let mounts = [("/etc/awp", "/pod/config"), ("/etc/awp/broker/", "/pod/broker"), ("/scratch", "/pod/scratch")];
        Mounts::new(mounts.map(|(path, folder)| (path.to_owned(), PathBuf::from(folder))))
    }

    #[test]
    fn a_mount_path_and_what_lies_below_it_is_rewritten() {
        for (text, rewritten) in [
            ("/etc/awp", "/pod/config"),
            ("/etc/awp/app.toml", "/pod/config/app.toml"),
            ("/etc/awp/broker", "/pod/broker"),
            ("/etc/awp/broker/", "/pod/broker/"),
            ("/etc/awp/broker/password", "/pod/broker/password"),
            ("--credentials-dir=/etc/awp/broker", "--credentials-dir=/pod/broker"),
        ] {
            assert_eq!(mounts().rewrite(text), rewritten);
        }
    }

    #[test]
    fn anything_else_stays() {
        for text in ["/etc/awpx", "/etc", "see /etc/awp", "a=/etc/awp", "--x=/etcetera", "", "file:///etc/awp"] {
            assert_eq!(mounts().rewrite(text), text);
        }
    }
}
