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
}

const fn refusal(
    programs: &'static [Program],
    name: &'static str,
    url: fn(&Servers) -> String,
    code: &'static str,
    words: &'static [&'static str],
) -> Refusal {
    Refusal { name, programs, url, code, words }
}

const OFFLINE: &[Program] = &[];
const MOTO: &[Program] = &[Program::Moto, Program::Python];
const AZURITE: &[Program] = &[Program::Azurite, Program::Python];
const NGINX: &[Program] = &[Program::Nginx];
const PYTHON: &[Program] = &[Program::Python];
const TLS: &[Program] = &[Program::Nginx, Program::Openssl];

/// All of them.
pub(crate) const REFUSALS: &[Refusal] = &[
    refusal(
        OFFLINE,
        "scheme",
        |_| "ftp://ada:canary@files.example.com/x.csv?key=canary".into(),
        "22023",
        &["unsupported storage scheme: \"ftp\""],
    ),
    refusal(
        OFFLINE,
        "s3_without_bucket",
        |_| "s3:///x.csv?AWS_ACCESS_KEY_ID=id&AWS_SECRET_ACCESS_KEY=canary".into(),
        "22023",
        &["s3:///x.csv?", "bucket"],
    ),
    refusal(
        OFFLINE,
        "azure_without_container",
        |_| "azure:///x.csv?AZURE_ACCOUNT_NAME=a&AZURE_ACCOUNT_KEY=canary".into(),
        "22023",
        &["azure:///x.csv?", "container"],
    ),
    refusal(
        OFFLINE,
        "s3_without_key",
        |_| "s3://b/x.csv?AWS_SECRET_ACCESS_KEY=canary".into(),
        "22023",
        &["AWS_ACCESS_KEY_ID"],
    ),
    refusal(
        OFFLINE,
        "s3_without_secret",
        |_| "s3://b/x.csv?AWS_ACCESS_KEY_ID=canary".into(),
        "22023",
        &["AWS_SECRET_ACCESS_KEY"],
    ),
    refusal(
        OFFLINE,
        "azure_without_account",
        |_| "azure://c/x.csv?AZURE_ACCOUNT_KEY=canary".into(),
        "22023",
        &["azure uri missing \"AZURE_ACCOUNT_NAME\" parameter"],
    ),
    refusal(
        OFFLINE,
        "azure_without_key",
        |_| "azure://c/x.csv?AZURE_ACCOUNT_NAME=a".into(),
        "22023",
        &["azure uri missing \"AZURE_ACCOUNT_KEY\" parameter"],
    ),
    refusal(
        OFFLINE,
        "gs_without_credentials",
        |_| "gs://b/x.csv?AUTH=specified".into(),
        "22023",
        &["CREDENTIALS"],
    ),
    refusal(
        OFFLINE,
        "gs_with_wrong_credentials",
        |_| "gs://b/x.csv?AUTH=specified&CREDENTIALS=canary".into(),
        "22023",
        &["CREDENTIALS"],
    ),
    refusal(
        OFFLINE,
        "s3_parameter_unknown",
        |_| "s3://b/x.csv?AWS_ACCESS_KEY_ID=id&AWS_SECRET_ACCESS_KEY=canary&AWS_REGOIN=x".into(),
        "22023",
        &["AWS_REGOIN", "AWS_REGION"],
    ),
    refusal(
        OFFLINE,
        "azure_parameter_unknown",
        |_| "azure://c/x.csv?AZURE_ACCOUNT_NAME=a&AZURE_ACCOUNT_KEI=canary".into(),
        "22023",
        &["AZURE_ACCOUNT_KEI", "AZURE_ACCOUNT_KEY"],
    ),
    refusal(
        OFFLINE,
        "gs_parameter_unknown",
        |_| "gs://b/x.csv?AUTHH=canary".into(),
        "22023",
        &["AUTHH"],
    ),
    refusal(
        &[],
        "auth_unknown",
        |_| "s3://b/x.csv?AUTH=explicit".into(),
        "22023",
        &["AUTH must be \"specified\" or \"implicit\""],
    ),
    refusal(
        OFFLINE,
        "host_unresolvable",
        |_| "http://ada:canary@host.invalid/x.csv?sig=canary".into(),
        "08001",
        &["http://redacted@host.invalid/x.csv?sig=redacted"],
    ),
    refusal(
        OFFLINE,
        "endpoint_unresolvable",
        |_| {
            let keys = "AWS_ACCESS_KEY_ID=id&AWS_SECRET_ACCESS_KEY=canary&AWS_REGION=us-east-1";
            format!("s3://b/x.csv?{keys}&AWS_ENDPOINT={}", encode("http://host.invalid:9000"))
        },
        "08001",
        &["s3://b/x.csv?AWS_ACCESS_KEY_ID=redacted"],
    ),
    refusal(
        OFFLINE,
        "port_closed",
        // Port 9 discards, where anybody listens at all.
        |_| "http://127.0.0.1:9/x.csv?sig=canary".into(),
        "08001",
        &["http://127.0.0.1:9/x.csv?sig=redacted"],
    ),
    refusal(
        NGINX,
        "http_404",
        |servers| format!("{}?sig=canary", Store::Http.url(servers, "none.csv")),
        "58P01",
        &["none.csv?sig=redacted", "does not exist"],
    ),
    refusal(
        NGINX,
        "http_403",
        |servers| format!("{}?sig=canary", Store::Http.url(servers, "forbidden/x.csv")),
        "42501",
        &["forbidden/x.csv?sig=redacted"],
    ),
    refusal(
        NGINX,
        "http_401",
        |servers| Store::Http.url(servers, "private/rows.csv"),
        "42501",
        &["private/rows.csv"],
    ),
    refusal(
        NGINX,
        "http_wrong_password",
        |servers| {
            let url = Store::Http.url(servers, "private/rows.csv");
            url.replace("http://", "http://ada:canary@")
        },
        "42501",
        &["http://redacted@", "private/rows.csv"],
    ),
    refusal(
        NGINX,
        "http_redirects_for_ever",
        |servers| Store::Http.url(servers, "round/x.csv"),
        "08006",
        &["round/x.csv", "redirect"],
    ),
    refusal(
        TLS,
        "https_of_a_stranger",
        |servers| Store::Https.url(servers, "rows.csv"),
        "08001",
        &["rows.csv", "certificate"],
    ),
    refusal(
        TLS,
        "http_of_a_server_that_speaks_tls",
        |servers| Store::Https.url(servers, "rows.csv").replace("https://", "http://"),
        "58030",
        &["rows.csv", "400"],
    ),
    refusal(
        MOTO,
        "s3_wrong_secret",
        |servers| {
            let url = Store::S3.url(servers, "rows.csv");
            url.replace("AWS_SECRET_ACCESS_KEY=", "AWS_SECRET_ACCESS_KEY=canary")
        },
        "42501",
        &["s3://acme-co/rows.csv?", "SignatureDoesNotMatch"],
    ),
    refusal(
        MOTO,
        "s3_wrong_key",
        |servers| {
            let name = &servers.amazon().1.lasting.0;
            Store::S3.url(servers, "rows.csv").replace(name, "AKIACANARYCANARYCANA")
        },
        "42501",
        &["s3://acme-co/rows.csv?", "InvalidAccessKeyId"],
    ),
    refusal(
        MOTO,
        "s3_404",
        |servers| Store::S3.url(servers, "none.csv"),
        "58P01",
        &["s3://acme-co/none.csv?"],
    ),
    refusal(
        MOTO,
        "s3_bucket_404",
        |servers| Store::S3.url(servers, "rows.csv").replace(BUCKET, "nobodys-bucket"),
        "58P01",
        &["s3://nobodys-bucket/rows.csv?", "bucket"],
    ),
    refusal(
        MOTO,
        "s3_bucket_404_by_pattern",
        |servers| Store::S3.url(servers, "row*.csv").replace(BUCKET, "nobodys-bucket"),
        "58P01",
        &["s3://nobodys-bucket/row*.csv?", "bucket"],
    ),
    refusal(
        MOTO,
        "gs_404",
        |servers| Store::Gs.url(servers, "none.csv"),
        "58P01",
        &["gs://harbour/none.csv?"],
    ),
    refusal(
        MOTO,
        "gs_bucket_404",
        |servers| Store::Gs.url(servers, "rows.csv").replace(GOOGLE_BUCKET, "nobodys"),
        "58P01",
        &["gs://nobodys/rows.csv?"],
    ),
    refusal(
        AZURITE,
        "azure_wrong_key",
        |servers| {
            let url = Store::Azure.url(servers, "rows.csv");
            url.replace("AZURE_ACCOUNT_KEY=hash", "AZURE_ACCOUNT_KEY=canary00")
        },
        "42501",
        &["azure://acme-co/rows.csv?", "Authoriz"],
    ),
    refusal(
        AZURITE,
        "azure_404",
        |servers| Store::Azure.url(servers, "none.csv"),
        "58P01",
        &["azure://acme-co/none.csv?"],
    ),
    refusal(
        AZURITE,
        "azure_container_404",
        |servers| {
            Store::Azure.url(servers, "rows.csv").replace("azure://acme-co", "azure://nobodys")
        },
        "58P01",
        &["azure://nobodys/rows.csv?", "container"],
    ),
    refusal(
        OFFLINE,
        "path_404",
        |servers| Store::Path.url(servers, "none.csv"),
        "58P01",
        &["none.csv", "does not exist", "It was looked for at"],
    ),
    refusal(
        OFFLINE,
        "path_in_no_directory",
        |servers| Store::Path.url(servers, "n*/none.csv"),
        "58P01",
        &["does not exist", "Wildcards are matched in the last element of a path alone."],
    ),
    refusal(
        OFFLINE,
        "file_404",
        |servers| Store::File.url(servers, "none.csv"),
        "58P01",
        &["none.csv", "does not exist", "It was looked for at"],
    ),
    refusal(
        OFFLINE,
        "nodelocal_404",
        |_| "nodelocal://self/d/none.csv".into(),
        "58P01",
        &["nodelocal storage file does not exist", "It was looked for at", "extern/d/none.csv"],
    ),
    refusal(
        OFFLINE,
        "path_directory",
        |servers| Store::Path.url(servers, "folder"),
        "22023",
        &["folder\" is a directory", "Name a file in it"],
    ),
    refusal(
        OFFLINE,
        "nodelocal_directory",
        |_| "nodelocal://self/".into(),
        "22023",
        &["is a directory", "Name a file in it"],
    ),
    refusal(
        NGINX,
        "http_directory",
        |servers| format!("{}?sig=canary", Store::Http.url(servers, "folder")),
        "22023",
        &["it is a directory", "Name a file in it"],
    ),
    refusal(
        NGINX,
        "http_directory_with_slash",
        |servers| Store::Http.url(servers, "folder/"),
        "42501",
        &["access denied (403 Forbidden)", "A \"/\" at the end tells of a directory."],
    ),
    refusal(
        PYTHON,
        "http_directory_as_a_page",
        |servers| Store::HttpWhole.url(servers, "folder/"),
        "22023",
        &["it is a directory", "Name a file in it"],
    ),
    refusal(
        MOTO,
        "s3_directory",
        |servers| Store::S3.url(servers, "folder"),
        "22023",
        &["it is a directory", "Name a file in it"],
    ),
    refusal(
        MOTO,
        "s3_directory_with_slash",
        |servers| Store::S3.url(servers, "folder/"),
        "22023",
        &["it is a directory", "Name a file in it"],
    ),
    refusal(
        MOTO,
        "gs_directory",
        |servers| Store::Gs.url(servers, "folder"),
        "22023",
        &["it is a directory", "Name a file in it"],
    ),
    refusal(
        AZURITE,
        "azure_directory",
        |servers| Store::Azure.url(servers, "folder"),
        "22023",
        &["it is a directory", "Name a file in it"],
    ),
    refusal(
        NGINX,
        "http_pattern",
        |servers| format!("{}?sig=canary", Store::Http.url(servers, "parts/none-*.csv")),
        "58P01",
        &["none-*.csv?sig=redacted", "Web servers list no files"],
    ),
    refusal(
        MOTO,
        "s3_pattern",
        |servers| Store::S3.url(servers, "parts/none-*.csv"),
        "58P01",
        &["no files matched \"none-*.csv\" in prefix \"/parts/\"", "Check the pattern"],
    ),
    refusal(
        MOTO,
        "gs_pattern",
        |servers| Store::Gs.url(servers, "parts/none-*.csv"),
        "58P01",
        &["no files matched \"none-*.csv\" in prefix \"/parts/\"", "Check the pattern"],
    ),
    refusal(
        AZURITE,
        "azure_pattern",
        |servers| Store::Azure.url(servers, "parts/none-*.csv"),
        "58P01",
        &["no files matched \"none-*.csv\" in prefix \"/parts/\"", "Check the pattern"],
    ),
    refusal(
        OFFLINE,
        "path_pattern",
        |servers| Store::Path.url(servers, "parts/none-*.csv"),
        "58P01",
        &["no files matched \"none-*.csv\" in prefix", "Check the pattern and its directory"],
    ),
    refusal(
        OFFLINE,
        "nodelocal_pattern_in_no_directory",
        |_| "nodelocal://self/parts/none-*.csv".into(),
        "58P01",
        &["no files matched \"none-*.csv\"", "Directory \"/parts/\" does not exist."],
    ),
];

impl Refusal {
    /// Checks it as a data file and as a schema file, by `-e` and by `-f`.
    pub(crate) fn check(&self, servers: &Servers) {
        let url = (self.url)(servers);
        let scene = Scene::new();
        let ended = scene.refused(&import(&[&url], "tmp"), self.code, self.words);
        let shown = format!("{}{}", ended.out, ended.err);
        assert!(!shown.contains(SECRET), "a secret is shown: {shown}");
        assert!(shown.contains("\nHINT: "), "there is no hint: {shown}");
        // The place is, in the message or in the statement below it.
        let start = url.split(['?', '@']).next().unwrap_or_default();
        let place = if url.contains('@') { "redacted@" } else { start };
        assert!(shown.contains(place), "{place} is not shown: {shown}");
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
