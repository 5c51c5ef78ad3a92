"""Commands of the secretariat and of whoever checks a document; each module is imported when its command is called."""
