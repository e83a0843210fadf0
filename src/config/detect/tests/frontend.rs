//! Frontends.

use super::*;

fn package(scripts: &str, dependencies: &str) -> String {
    format!(r#"{{"scripts": {{{scripts}}}, "devDependencies": {{{dependencies}}}}}"#)
}

fn one(path: &str, text: &str) -> MemoryTree {
    MemoryTree::new(&[(path, text)])
}

#[test]
fn a_frontend_lies_in_any_folder_or_at_the_root() {
    for dir in [
        "frontend",
        "client",
        "frontend-vue",
        "frontend-ts",
        "vue3",
        "notes-front-end",
        "a/b",
        "",
    ] {
        let tree = vite(MemoryTree::default(), dir);
        assert_eq!(frontend(&tree).dir.as_str(), dir);
        assert_eq!(settled(&tree).notes, [""; 0]);
    }
}

#[test]
fn of_two_frontends_the_complete_one_is_chosen_and_the_other_named() {
    let incomplete = package(r#""build": "vite build""#, r#""vite": "^5""#);
    let tree =
        vite(MemoryTree::default(), "deep/client").with("a/package.json", incomplete.as_bytes());
    assert_eq!(frontend(&tree).dir.as_str(), "deep/client");
    assert_eq!(
        note(&tree, "also with a build script"),
        "the frontend is `deep/client`; also with a build script: `a` (choose with `dir` in [frontend])"
    );
    let tree = vite(vite(MemoryTree::default(), "admin"), "frontend");
    assert_eq!(frontend(&tree).dir.as_str(), "frontend");
}

#[test]
fn a_package_json_of_linters_or_of_a_wrapper_is_no_frontend() {
    let linters = package(r#""lint": "eslint .""#, r#""eslint": "^8""#);
    let tree = vite(MemoryTree::default(), "web").with("package.json", linters.as_bytes());
    assert_eq!(frontend(&tree).dir.as_str(), "web");
    let wrapper = package(r#""build": "cd web && npm ci && npm run build""#, "");
    let tree = tree.with("package.json", wrapper.as_bytes());
    assert_eq!(frontend(&tree).dir.as_str(), "web");
    assert_eq!(settled(&tree).notes, [""; 0]);
    let tree = django("").with("package.json", linters.as_bytes());
    assert_eq!(settled(&tree).frontend, None);
}

#[test]
fn installed_packages_are_not_looked_at() {
    let tree = vite(vite(django("api"), "web"), "node_modules/x");
    let tree = vite(tree, "web/node_modules/vite").with("node_modules/y/manage.py", b"django");
    let settings = settled(&tree);
    assert_eq!(settings.frontend.unwrap().dir.as_str(), "web");
    assert_eq!(settings.notes, [""; 0]);
}

#[test]
fn the_build_script_has_several_names() {
    for script in ["build", "build:prod", "build-only"] {
        let text = package(
            &format!(r#""{script}": "vite build", "dev": "vite""#),
            r#""vite": "5""#,
        );
        assert_eq!(
            build(&one("package.json", &text)).command,
            ["npm", "run", script]
        );
    }
}

#[test]
fn windows_set_becomes_a_variable() {
    let text = package(
        r#""build": "set NODE_ENV=production&& vue-cli-service build""#,
        r#""@vue/cli-service": "^5.0.1""#,
    );
    let tree = one("package.json", &text);
    let env = build(&tree).env;
    assert_eq!(env[&"NODE_ENV".parse().unwrap()], "production");
    assert_eq!(env.len(), 1);
    note(&tree, "begins with Windows' `set NODE_ENV=…`");
}

#[test]
fn webpack_4_gets_the_old_openssl_and_newer_tools_do_not() {
    for (tool, old) in [
        (r#""@vue/cli-service": "~4.5.0""#, true),
        (r#""@vue/cli-service": "^3.0.1""#, true),
        (r#""@vue/cli-service": "^5.0.0", "webpack": "^4""#, false),
        (r#""react-scripts": "4.0.3""#, true),
        (r#""react-scripts": "5.0.1""#, false),
        (r#""webpack": "^4.1""#, true),
        (r#""vite": "^4.1""#, false),
    ] {
        let env = build(&one("package.json", &package(r#""build": "x""#, tool))).env;
        assert_eq!(
            env.contains_key(&"NODE_OPTIONS".parse().unwrap()),
            old,
            "{tool}"
        );
    }
    let env = build(&one(
        "package.json",
        &package(r#""build": "x""#, r#""cypress": "9""#),
    ))
    .env;
    assert_eq!(env[&"CYPRESS_INSTALL_BINARY".parse().unwrap()], "0");
}

#[test]
fn the_output_is_the_tools_or_what_its_configuration_says() {
    let vue = r#""@vue/cli-service": "^5""#;
    let vite = r#""vite": "^5""#;
    for (dependency, script, file, config, output) in [
        (vue, "b", "vue.config.js", "", "web/dist"),
        (
            vue,
            "b",
            "vue.config.js",
            "module.exports = { outputDir: '../api/static' }",
            "api/static",
        ),
        (
            vue,
            "b",
            "vue.config.js",
            "outputDir: path.resolve(__dirname, '../api', 'templates'), // outputDir: 'x'",
            "api/templates",
        ),
        (vue, "b --dest ../out", "x", "", "out"),
        (
            vite,
            "b",
            "vite.config.ts",
            "build: { outDir: \"../server/static\", }",
            "server/static",
        ),
        (
            vite,
            "b",
            "vite.config.mjs",
            "root: './src', build: { outDir: '../dist' }",
            "web/dist",
        ),
        (vite, "b", "vite.config.js", "// outDir: 'no'", "web/dist"),
        (
            vite,
            "b --outDir=www",
            "vite.config.js",
            "outDir: 'x'",
            "web/www",
        ),
        (r#""react-scripts": "5""#, "b", "x", "", "web/build"),
        (
            r#""react-scripts": "5""#,
            "BUILD_PATH=../b react-scripts build",
            "x",
            "",
            "b",
        ),
        (
            r#""webpack": "5""#,
            "b",
            "webpack.config.js",
            "output: { filename: 'a', path: path.join(__dirname, '../static/js') }",
            "static/js",
        ),
        (
            r#""@angular/cli": "17""#,
            "b",
            "angular.json",
            r#"{"projects": {"x": {"architect": {"build": {"builder": "@angular-devkit/build-angular:application", "options": {"outputPath": "dist/x"}}}}}}"#,
            "web/dist/x/browser",
        ),
    ] {
        let text = package(&format!(r#""build": "{script}""#), dependency);
        let tree = MemoryTree::new(&[
            ("web/package.json", &text),
            (&format!("web/{file}"), config),
        ]);
        assert_eq!(frontend(&tree).output.as_str(), output, "{script} {config}");
    }
}

#[test]
fn a_computed_or_outer_output_is_a_note() {
    let text = package(r#""build": "b""#, r#""vite": "^5""#);
    let tree = |config| {
        MemoryTree::new(&[
            ("web/package.json", text.as_str()),
            ("web/vite.config.js", config),
        ])
    };
    let computed = tree("outDir: mode === 'a' ? 'x' : 'y'");
    assert_eq!(frontend(&computed).output.as_str(), "web/dist");
    note(
        &computed,
        "`web/vite.config.js` computes where the files come out",
    );
    let outer = tree("outDir: '../../x'");
    assert_eq!(frontend(&outer).output.as_str(), "web/dist");
    note(&outer, "outside the repository");
}

#[test]
fn a_committed_output_is_served_only_where_nothing_builds_it() {
    let tree = django("api")
        .with("web/dist/index.html", b"")
        .with("web/package.json", b"{}");
    let found = frontend(&tree);
    assert_eq!(
        (found.dir.as_str(), found.output.as_str()),
        ("web/dist", "web/dist")
    );
    assert_eq!(found.build, None);
    note(&tree, "`web/dist` is served as committed");
    let tree = vite(django("api"), "web").with("web/dist/index.html", b"");
    assert!(frontend(&tree).build.is_some());
    note(&tree, "write `dir = \"web/dist\"` in [frontend]");
    let tree = tree.with("landfall.toml", b"[frontend]\ndir = \"web/dist\"\n");
    assert_eq!(frontend(&tree).build, None);
}

#[test]
fn a_static_site_is_served_as_it_is() {
    for dir in ["", "public", "dist", "site"] {
        let path = crate::config::tree::in_folder(dir, "index.html");
        let found = frontend(&one(&path, "<html>"));
        assert_eq!((found.dir.as_str(), found.build), (dir, None));
    }
    let tree = django("")
        .with("app/templates/index.html", b"")
        .with("docs/index.html", b"");
    assert_eq!(settled(&tree).frontend, None);
}

#[test]
fn a_broken_package_json_is_not_a_frontend() {
    let tree = django("")
        .with("package.json", b"{\"scripts\": {")
        .with("a/package.json", b"[]");
    assert_eq!(settled(&tree).frontend, None);
}
