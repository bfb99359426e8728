//! A real nginx on loopback.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};

use http::Response;
use tempfile::TempDir;
use ureq::{Agent, Body};

pub struct Nginx {
    folder: TempDir,
    port: u16,
    child: Child,
}

impl Nginx {
    /// Starts one with these `directives` of its `http` block, and these of its only server. A path
    /// that they leave out is below its folder.
    pub fn start(directives: &str, server: &str) -> Option<Self> {
        let program = super::program("NGINX_BIN", "nginx", "PERSEVERE_NO_NGINX")?;
        let ([port], folder) = (super::ports(), tempfile::tempdir().expect("a folder"));
        let settings = format!(
            "daemon off; master_process off; pid pid;
            events {{ worker_connections 64; }}
            http {{
                access_log off;
                client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                {directives}
                server {{
                    listen 127.0.0.1:{port};
                    root {root};
                    location = /ready {{ return 204; }}
                    {server}
                }}
            }}",
            root = folder.path().display(),
        );
        fs::write(folder.path().join("nginx.conf"), settings).expect("settings");
        let log = File::create(folder.path().join("log")).expect("a log");
        let child = Command::new(program)
            .args(["-e", "stderr", "-c", "nginx.conf", "-p"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("nginx can be started");
        let nginx = Self { folder, port, child };
        super::until("nginx answers", || nginx.get("/ready").is_ok());
        Some(nginx)
    }

    /// Puts a file where nginx looks for it.
    pub fn put(&self, name: &str, content: &str) {
        fs::write(self.folder.path().join(name), content).expect("a file");
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.folder.path().join(name)).expect("it was there");
    }

    /// What it answers, whatever the status.
    pub fn get(&self, path: &str) -> Result<Response<Body>, ureq::Error> {
        let settings = Agent::config_builder().http_status_as_error(false).build();
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        Agent::new_with_config(settings).get(url).call()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if std::thread::panicking() {
            super::print_log("nginx", &self.folder.path().join("log"));
        }
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }
}
