//! Everything needed to run a command inside a container: its main process, a probe, a hook.

use std::path::PathBuf;

use super::argv;
use super::env::Variables;
use super::launcher::CommandLine;
use super::mounts::Mounts;

#[derive(Clone, Debug)]
pub struct Recipe {
    pub entrypoint: Vec<String>,
    pub env: Variables,
    pub dir: PathBuf,
    pub mounts: Mounts,
}

impl Recipe {
    /// The program and its arguments, with mount paths rewritten; an error names what is missing.
    pub fn command(&self, command: &[String], args: &[String]) -> Result<CommandLine, String> {
        let line = argv::command_line(&self.entrypoint, command, args);
        let mut line = line.iter().map(|word| self.mounts.rewrite(word));
        let program = line.next().ok_or("no command: neither the pod nor the image map of this node gives one")?;
        let search_path = self.env.get("PATH").map(String::as_str).unwrap_or_default();
        let path = argv::find_program(&program, search_path, &self.dir)
            .ok_or_else(|| format!("exec: {program:?}: executable file not found in $PATH ({search_path})"))?;
        Ok(CommandLine { program: path, args: line.collect(), env: self.env.clone(), dir: self.dir.clone() })
    }
}
