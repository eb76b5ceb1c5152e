//! Looks at pages: accessibility by axe-core, width on a phone, pictures.

use std::cell::RefCell;

use crate::webdriver::Browser;

/// Looks at a page: serious faults of accessibility, width, pictures of it.
pub(super) struct Inspector<'a> {
    browser: &'a Browser,
    axe: String,
    faults: RefCell<Vec<String>>,
}

impl<'a> Inspector<'a> {
    pub(super) fn new(browser: &'a Browser) -> Self {
        let axe = include_str!("../../fixtures/axe/axe.min.js").to_owned();
        Self { browser, axe, faults: RefCell::default() }
    }

    /// All that was found.
    pub(super) fn faults(self) -> Vec<String> {
        self.faults.into_inner()
    }

    pub(super) fn look(&self, name: &str) {
        self.browser.screenshot(name);
        if self.browser.script("return document.documentElement.innerHTML.includes('⟦')") == true {
            self.faults.borrow_mut().push(format!("{name}: a word is not there"));
        }
        self.check(name, "");
    }

    fn check(&self, name: &str, options: &str) {
        if self.browser.script("return typeof axe === 'undefined'") == true {
            self.browser.script(&self.axe);
        }
        let result = self.browser.async_script(&format!(
            "axe.run(document, {{ {options}resultTypes: ['violations'] }}).then(r => done(r.violations.map(v => \
             [v.id, v.impact, v.nodes.map(n => n.target.join(' ')).join(', ')])), \
             e => done([['axe failed', 'serious', String(e)]]))"
        ));
        for violation in result.as_array().unwrap() {
            let impact = violation[1].as_str().unwrap_or_default();
            if impact == "serious" || impact == "critical" {
                self.faults.borrow_mut().push(format!("{name}: {violation}"));
            }
        }
    }

    /// Also on a phone and in the dark.
    pub(super) fn look_everywhere(&self, name: &str) {
        self.look(name);
        // Colours are all that differs in the dark.
        self.browser.dark(true);
        self.browser.screenshot(&format!("{name}-dark"));
        self.check(&format!("{name}-dark"), "runOnly: ['color-contrast'], ");
        self.browser.dark(false);
        self.browser.phone(true);
        let width = self.browser.script("return document.documentElement.scrollWidth - innerWidth");
        if width.as_i64() != Some(0) {
            self.faults.borrow_mut().push(format!("{name}: {width} px wider than a phone"));
        }
        self.browser.screenshot(&format!("{name}-phone"));
        self.browser.phone(false);
    }
}
