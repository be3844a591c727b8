//! A secret in a URL is found nowhere afterwards: in no output, no job record, no history and no file of
//! the database, whether the import went well or not.

use std::fs;
use std::process::Command;

use rexpect::session::spawn_command;

use crate::http::encode;
use crate::program::Program;
use crate::scene::{Ended, GATE, Scene, files_below, import, quoted};
use crate::servers::{AZURE_CANARY, AZURE_KEY, Servers, WEB_USER};
use crate::store::{GOOGLE_KEY, Store};

/// How long an answer of the shell may take, in milliseconds.
const PATIENCE: u64 = 180_000;

/// A URL with secrets in it.
pub(crate) struct Canary {
    /// Its name in the names of tests.
    pub(crate) name: &'static str,
    /// What it needs.
    pub(crate) programs: &'static [Program],
    /// Returns the URL of a file with its secrets.
    make: fn(&Servers, &str) -> (String, Vec<String>),
}

/// All of them.
pub(crate) const CANARIES: &[Canary] = &[
    Canary {
        name: "s3_secret",
        programs: &[Program::Moto, Program::Python],
        make: |servers, file| {
            let secret = servers.amazon().1.lasting.1.clone();
            (Store::S3.url(servers, file), vec![secret])
        },
    },
    Canary {
        name: "s3_session",
        programs: &[Program::Moto, Program::Python],
        make: |servers, file| {
            let (id, secret, token) = servers.amazon().1.session.clone();
            (Store::S3Session.url(servers, file), vec![id, secret, token])
        },
    },
    Canary {
        name: "gs_credentials",
        programs: &[Program::Moto, Program::Python],
        make: |servers, file| {
            let key = GOOGLE_KEY.to_owned();
            (Store::Gs.url(servers, file), vec![key, "canary-of-google".to_owned()])
        },
    },
    Canary {
        name: "azure_key",
        programs: &[Program::Azurite, Program::Python],
        make: |servers, file| {
            let url = Store::Azure.url(servers, file);
            let from = format!("AZURE_ACCOUNT_KEY={AZURE_KEY}");
            let url = url.replace(&from, &format!("AZURE_ACCOUNT_KEY={AZURE_CANARY}"));
            (url, vec![AZURE_CANARY.to_owned()])
        },
    },
    Canary {
        name: "http_password",
        programs: &[Program::Nginx],
        make: |servers, file| {
            let url = Store::Http.url(servers, &format!("private/{file}"));
            let (user, password) = WEB_USER;
            let url = url.replace("http://", &format!("http://{user}:{password}@"));
            (url, vec![format!("{user}:{password}"), format!(":{password}@")])
        },
    },
    Canary {
        name: "http_signature",
        programs: &[Program::Nginx],
        make: |servers, file| {
            let url = Store::Http.url(servers, &format!("signed/{file}"));
            let url = format!("{url}?signature=one%26two=3+4/5&more=canary-of-the-web");
            (url, vec!["two=3+4/5".into(), "canary-of-the-web".into()])
        },
    },
    Canary {
        name: "redirect",
        programs: &[Program::Nginx],
        make: |servers, file| {
            let url = Store::Http.url(servers, &format!("moved/{file}"));
            (format!("{url}?token=canary-of-the-web"), vec!["canary-of-the-web".into()])
        },
    },
];

impl Canary {
    /// Imports well and badly, on the command line and in the shell, and looks everywhere.
    pub(crate) fn check(&self, servers: &Servers) {
        let (good, secrets) = (self.make)(servers, "rows.csv");
        let (absent, _) = (self.make)(servers, "absent.csv");
        let (schema, _) = (self.make)(servers, "table.sql");
        let (wrong, _) = (self.make)(servers, "parts/deeper/part-99.csv");
        let scene = Scene::new();
        let using = format!(
            "IMPORT TABLE t CREATE USING {} CSV DATA ({}) WITH temp = 'tmp'",
            quoted(&schema),
            quoted(&good)
        );
        let statements: &[&str] = &[
            GATE,
            "SHOW JOBS",
            &import(&[&absent], "tmp"),
            &import(&[&wrong], "tmp"),
            &import(&[&good], "tmp").replace("CSV DATA", "CSV DATUM"),
            &import(&[&good], &wrong),
            "SHOW CLUSTER SETTINGS",
            &format!("EXPLAIN {}", import(&[&good], "tmp")),
            &using,
            "SHOW JOBS",
            "SHOW CREATE TABLE t",
        ];
        let mut words = vec!["--echo-sql", "--no-errexit"];
        for statement in statements {
            words.extend(["-e", statement]);
        }
        let ended = scene.run_words(&words);
        assert!(ended.out.contains(",succeeded,"), "no table: {}{}", ended.out, ended.err);
        assert_eq!(scene.checksum(), servers.checksum(), "another table");
        require_hidden(self.name, &scene, &secrets, &[&ended]);
        for format in ["table", "json", "vertical"] {
            let shown = scene.run_words(&["--format", format, "-e", "SHOW JOBS"]);
            require_hidden(self.name, &scene, &secrets, &[&shown]);
        }
        self.check_shell(&scene, &good, &absent, &secrets);
    }

    /// Imports in the interactive shell, and looks at what it shows and keeps.
    fn check_shell(&self, scene: &Scene, good: &str, absent: &str, secrets: &[String]) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
        command
            .current_dir(scene.path(""))
            .args(["--no-init", "--color", "never", "shop"])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", scene.path(""))
            .env("TERM", "xterm")
            .env("WHARF_HISTORY", scene.path("history"));
        let mut shell = spawn_command(command, Some(PATIENCE)).expect("the shell starts");
        let mut seen = shell.exp_string("defaultdb> ").expect("a prompt");
        let again = |url: &str| import(&[url], "tmp").replace("TABLE t ", "TABLE again ");
        for (statement, answer) in
            [(again(absent), "58P01"), (again(good), "job_id"), ("SHOW JOBS".into(), "job_type")]
        {
            // What is typed is shown as it is typed: what comes back begins with the answer.
            shell.send_line(&format!("{statement};")).expect("a line is sent");
            shell.exp_string(answer).expect("an answer");
            seen += &shell.exp_string("defaultdb> ").expect("a prompt");
        }
        shell.send_line("\\q").expect("a line is sent");
        shell.exp_eof().expect("the shell ends");
        let history = fs::read(scene.path("history")).expect("a history");
        assert!(String::from_utf8_lossy(&history).contains("IMPORT TABLE"), "no history is kept");
        let said = Ended { code: Some(0), out: seen, err: String::new(), took: PATIENCE_OF_NONE };
        require_hidden(self.name, scene, secrets, &[&said]);
    }
}

/// Fails the test if a secret is in one of these outputs or in a file of the scene.
fn require_hidden(name: &str, scene: &Scene, secrets: &[String], outputs: &[&Ended]) {
    let mut forms = Vec::new();
    for secret in secrets {
        forms.extend([secret.clone(), encode(secret), encode(secret).to_lowercase()]);
    }
    let found = |bytes: &[u8]| {
        let holds = |form: &&String| bytes.windows(form.len()).any(|part| part == form.as_bytes());
        forms.iter().find(holds).cloned()
    };
    for ended in outputs {
        for text in [&ended.out, &ended.err] {
            assert_eq!(found(text.as_bytes()), None, "{name} is shown: {text}");
        }
    }
    for path in files_below(&scene.path("")) {
        let bytes = fs::read(&path).unwrap_or_default();
        assert_eq!(found(&bytes), None, "{} is in {}", name, path.display());
    }
}

/// A cluster setting is kept on the disk and shown to everybody: it holds no secret.
pub(crate) fn check_setting() {
    let scene = Scene::new();
    let url = "s3://b/tmp?AWS_ACCESS_KEY_ID=id&AWS_SECRET_ACCESS_KEY=canary-of-a-setting";
    let set = format!("SET CLUSTER SETTING import.default_temp = {}", quoted(url));
    let ended = scene.run_words(&["--no-errexit", "-e", &set, "-e", "SHOW CLUSTER SETTINGS"]);
    assert!(ended.err.contains("SQLSTATE: 22023"), "{}{}", ended.out, ended.err);
    require_hidden("the setting", &scene, &["canary-of-a-setting".to_owned()], &[&ended]);
}

/// The time of a run that nobody takes.
const PATIENCE_OF_NONE: std::time::Duration = std::time::Duration::ZERO;
