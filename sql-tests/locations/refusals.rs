//! What cannot be read is refused with a SQLSTATE, a message without secrets and a hint; the exit code
//! is 1 for `-e` and 3 for `-f`, and nothing is left.

use std::fs;

use crate::http::encode;
use crate::program::Program;
use crate::scene::{Scene, import, quoted};
use crate::servers::{BUCKET, GOOGLE_BUCKET, Servers};
use crate::store::Store;

/// What must never be shown.
const SECRET: &str = "canary";

/// A URL that cannot be read.
pub(crate) struct Refusal {
    /// What is wrong with it.
    pub(crate) name: &'static str,
    /// What it needs to be tried.
    pub(crate) programs: &'static [Program],
    /// Returns the URL.
    pub(crate) url: fn(&Servers) -> String,
    /// The SQLSTATE.
    code: &'static str,
    /// What the message says.
    words: &'static [&'static str],
    /// Whether there is something to advise.
    hinted: bool,
}

/// Those that need no server.
const fn offline(
    name: &'static str,
    url: fn(&Servers) -> String,
    code: &'static str,
    words: &'static [&'static str],
) -> Refusal {
    Refusal { name, programs: &[], url, code, words, hinted: true }
}

const MOTO: &[Program] = &[Program::Moto, Program::Python];
const AZURITE: &[Program] = &[Program::Azurite, Program::Python];
const NGINX: &[Program] = &[Program::Nginx];

/// All of them.
pub(crate) const REFUSALS: &[Refusal] = &[
    offline(
        "scheme",
        |_| "ftp://ada:canary@files.example.com/x.csv?key=canary".into(),
        "22023",
        &["unsupported storage scheme: \"ftp\""],
    ),
    offline(
        "s3_without_bucket",
        |_| "s3:///x.csv?AWS_ACCESS_KEY_ID=id&AWS_SECRET_ACCESS_KEY=canary".into(),
        "22023",
        &["s3:///x.csv?", "bucket"],
    ),
    offline(
        "azure_without_container",
        |_| "azure:///x.csv?AZURE_ACCOUNT_NAME=a&AZURE_ACCOUNT_KEY=canary".into(),
        "22023",
        &["azure:///x.csv?", "container"],
    ),
    offline(
        "s3_without_key",
        |_| "s3://b/x.csv?AWS_SECRET_ACCESS_KEY=canary".into(),
        "22023",
        &["AWS_ACCESS_KEY_ID"],
    ),
    offline(
        "s3_without_secret",
        |_| "s3://b/x.csv?AWS_ACCESS_KEY_ID=canary".into(),
        "22023",
        &["AWS_SECRET_ACCESS_KEY"],
    ),
    offline(
        "azure_without_account",
        |_| "azure://c/x.csv?AZURE_ACCOUNT_KEY=canary".into(),
        "22023",
        &["azure uri missing \"AZURE_ACCOUNT_NAME\" parameter"],
    ),
    offline(
        "azure_without_key",
        |_| "azure://c/x.csv?AZURE_ACCOUNT_NAME=a".into(),
        "22023",
        &["azure uri missing \"AZURE_ACCOUNT_KEY\" parameter"],
    ),
    offline(
        "gs_without_credentials",
        |_| "gs://b/x.csv?AUTH=specified".into(),
        "22023",
        &["CREDENTIALS"],
    ),
    offline(
        "gs_with_wrong_credentials",
        |_| "gs://b/x.csv?AUTH=specified&CREDENTIALS=canary".into(),
        "22023",
        &["CREDENTIALS"],
    ),
    offline(
        "s3_parameter_unknown",
        |_| "s3://b/x.csv?AWS_ACCESS_KEY_ID=id&AWS_SECRET_ACCESS_KEY=canary&AWS_REGOIN=x".into(),
        "22023",
        &["AWS_REGOIN", "AWS_REGION"],
    ),
    offline(
        "azure_parameter_unknown",
        |_| "azure://c/x.csv?AZURE_ACCOUNT_NAME=a&AZURE_ACCOUNT_KEI=canary".into(),
        "22023",
        &["AZURE_ACCOUNT_KEI", "AZURE_ACCOUNT_KEY"],
    ),
    offline("gs_parameter_unknown", |_| "gs://b/x.csv?AUTHH=canary".into(), "22023", &["AUTHH"]),
    Refusal {
        name: "auth_unknown",
        programs: &[],
        url: |_| "s3://b/x.csv?AUTH=explicit".into(),
        code: "22023",
        // The message is its own advice.
        words: &["AUTH must be \"specified\" or \"implicit\""],
        hinted: false,
    },
    offline(
        "host_unresolvable",
        |_| "http://ada:canary@host.invalid/x.csv?sig=canary".into(),
        "08001",
        &["http://redacted@host.invalid/x.csv?sig=redacted"],
    ),
    offline(
        "endpoint_unresolvable",
        |_| {
            let keys = "AWS_ACCESS_KEY_ID=id&AWS_SECRET_ACCESS_KEY=canary&AWS_REGION=us-east-1";
            format!("s3://b/x.csv?{keys}&AWS_ENDPOINT={}", encode("http://host.invalid:9000"))
        },
        "08001",
        &["s3://b/x.csv?AWS_ACCESS_KEY_ID=redacted"],
    ),
    offline(
        "port_closed",
        // Port 9 discards, where anybody listens at all.
        |_| "http://127.0.0.1:9/x.csv?sig=canary".into(),
        "08001",
        &["http://127.0.0.1:9/x.csv?sig=redacted"],
    ),
    Refusal {
        name: "http_404",
        programs: NGINX,
        url: |servers| format!("{}?sig=canary", Store::Http.url(servers, "none.csv")),
        code: "58P01",
        words: &["none.csv?sig=redacted", "does not exist"],
        hinted: false,
    },
    Refusal {
        name: "http_403",
        programs: NGINX,
        url: |servers| format!("{}?sig=canary", Store::Http.url(servers, "forbidden/x.csv")),
        code: "42501",
        words: &["forbidden/x.csv?sig=redacted"],
        hinted: true,
    },
    Refusal {
        name: "http_401",
        programs: NGINX,
        url: |servers| Store::Http.url(servers, "private/rows.csv"),
        code: "42501",
        words: &["private/rows.csv"],
        hinted: true,
    },
    Refusal {
        name: "http_wrong_password",
        programs: NGINX,
        url: |servers| {
            let url = Store::Http.url(servers, "private/rows.csv");
            url.replace("http://", "http://ada:canary@")
        },
        code: "42501",
        words: &["http://redacted@", "private/rows.csv"],
        hinted: true,
    },
    Refusal {
        name: "http_redirects_for_ever",
        programs: NGINX,
        url: |servers| Store::Http.url(servers, "round/x.csv"),
        code: "08006",
        words: &["round/x.csv", "redirect"],
        hinted: false,
    },
    Refusal {
        name: "https_of_a_stranger",
        programs: &[Program::Nginx, Program::Openssl],
        url: |servers| Store::Https.url(servers, "rows.csv"),
        code: "08001",
        words: &["rows.csv", "certificate"],
        hinted: true,
    },
    Refusal {
        name: "http_of_a_server_that_speaks_tls",
        programs: &[Program::Nginx, Program::Openssl],
        url: |servers| Store::Https.url(servers, "rows.csv").replace("https://", "http://"),
        code: "58030",
        words: &["rows.csv", "400"],
        hinted: false,
    },
    Refusal {
        name: "s3_wrong_secret",
        programs: MOTO,
        url: |servers| {
            let url = Store::S3.url(servers, "rows.csv");
            url.replace("AWS_SECRET_ACCESS_KEY=", "AWS_SECRET_ACCESS_KEY=canary")
        },
        code: "42501",
        words: &["s3://acme-co/rows.csv?", "SignatureDoesNotMatch"],
        hinted: true,
    },
    Refusal {
        name: "s3_wrong_key",
        programs: MOTO,
        url: |servers| {
            let name = &servers.amazon().1.lasting.0;
            Store::S3.url(servers, "rows.csv").replace(name, "AKIACANARYCANARYCANA")
        },
        code: "42501",
        words: &["s3://acme-co/rows.csv?", "InvalidAccessKeyId"],
        hinted: true,
    },
    Refusal {
        name: "s3_404",
        programs: MOTO,
        url: |servers| Store::S3.url(servers, "none.csv"),
        code: "58P01",
        words: &["s3://acme-co/none.csv?"],
        hinted: false,
    },
    Refusal {
        name: "s3_bucket_404",
        programs: MOTO,
        url: |servers| Store::S3.url(servers, "rows.csv").replace(BUCKET, "nobodys-bucket"),
        code: "58P01",
        words: &["s3://nobodys-bucket/rows.csv?", "bucket"],
        hinted: true,
    },
    Refusal {
        name: "s3_bucket_404_by_pattern",
        programs: MOTO,
        url: |servers| Store::S3.url(servers, "row*.csv").replace(BUCKET, "nobodys-bucket"),
        code: "58P01",
        words: &["s3://nobodys-bucket/row*.csv?", "bucket"],
        hinted: true,
    },
    Refusal {
        name: "gs_404",
        programs: MOTO,
        url: |servers| Store::Gs.url(servers, "none.csv"),
        code: "58P01",
        words: &["gs://harbour/none.csv?"],
        hinted: false,
    },
    Refusal {
        name: "gs_bucket_404",
        programs: MOTO,
        url: |servers| Store::Gs.url(servers, "rows.csv").replace(GOOGLE_BUCKET, "nobodys"),
        code: "58P01",
        words: &["gs://nobodys/rows.csv?"],
        hinted: true,
    },
    Refusal {
        name: "azure_wrong_key",
        programs: AZURITE,
        url: |servers| {
            let url = Store::Azure.url(servers, "rows.csv");
            url.replace("AZURE_ACCOUNT_KEY=hash", "AZURE_ACCOUNT_KEY=canary00")
        },
        code: "42501",
        words: &["azure://acme-co/rows.csv?", "Authoriz"],
        hinted: true,
    },
    Refusal {
        name: "azure_404",
        programs: AZURITE,
        url: |servers| Store::Azure.url(servers, "none.csv"),
        code: "58P01",
        words: &["azure://acme-co/none.csv?"],
        hinted: false,
    },
    Refusal {
        name: "azure_container_404",
        programs: AZURITE,
        url: |servers| {
            Store::Azure.url(servers, "rows.csv").replace("azure://acme-co", "azure://nobodys")
        },
        code: "58P01",
        words: &["azure://nobodys/rows.csv?", "container"],
        hinted: true,
    },
];

impl Refusal {
    /// Checks it as a data file and as a schema file, by `-e` and by `-f`.
    pub(crate) fn check(&self, servers: &Servers) {
        let url = (self.url)(servers);
        let scene = Scene::new();
        let ended = scene.refused(&import(&[&url], "tmp"), self.code, self.words);
        let shown = format!("{}{}", ended.out, ended.err);
        assert!(!shown.contains(SECRET), "a secret is shown: {shown}");
        assert!(!self.hinted || shown.contains("\nHINT: "), "there is no hint: {shown}");
        let schema = format!(
            "IMPORT TABLE t CREATE USING {} CSV DATA ({}) WITH temp = 'tmp'",
            quoted(&url),
            quoted(&Store::Path.url(servers, "rows.csv"))
        );
        // The report of a wrong place of a schema file is the same.
        let script = format!(
            "SET CLUSTER SETTING experimental.importcsv.enabled = true;\n{schema};\nSELECT 1;\n"
        );
        fs::write(scene.path("import.sql"), script).expect("a script");
        let ended = scene.run_words(&["-f", "import.sql"]);
        assert_eq!(ended.code, Some(3), "{}{}", ended.out, ended.err);
        let code = format!("SQLSTATE: {}", self.code);
        assert!(ended.err.contains(&code), "no {code} for a schema file: {}", ended.err);
        assert!(!ended.err.contains(SECRET), "a secret is shown: {}", ended.err);
        scene.require_nothing_left();
    }
}
