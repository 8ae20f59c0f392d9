// How html-validate reads the pages: all that it recommends and all that the standard demands, but
export default {
  root: true,
  extends: ["html-validate:recommended", "html-validate:standard"],
  rules: {
    // The standard knows no case here; lower case is what everybody writes.
    "doctype-style": "off",
    // Many answers to one question have its name: boxes, and a field for one more.
    "form-dup-name": "off",
    // A page of what is compared is called after all of it; a browser shortens what it has no room for.
    "long-title": "off",
    // What scrolls by itself is a region for those who cannot see it, and no section of the text.
    "prefer-native-element": ["error", { exclude: ["region"] }],
    // A table that is laid out as blocks on a phone loses its roles unless they are written down.
    "no-redundant-role": "off",
  },
};
