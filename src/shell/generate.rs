//! Completion scripts and the manual page, made from the definition of the command line.

use clap::CommandFactory;
use clap_complete::Shell;

use super::arguments::Arguments;

/// Returns the completion script for a command-line shell.
pub(crate) fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "wharf", &mut script);
    script
}

/// Returns the manual page.
pub(crate) fn manual() -> Vec<u8> {
    let mut page = Vec::new();
    // Writing to memory cannot fail.
    let _ = clap_mangen::Man::new(Arguments::command()).render(&mut page);
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_scripts_and_a_page() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = String::from_utf8(completions(shell)).unwrap();
            assert!(script.contains("external-io-dir"), "{shell}");
        }
        assert!(String::from_utf8(manual()).unwrap().contains("Exit codes"));
    }
}
