"""Commands that sign, extend and verify documents of anybody; each module is imported when its command is called."""
