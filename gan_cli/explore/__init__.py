"""`gan explore`: a page on this machine to play with a generator.

`asks` is what the page may ask, `desk` answers it with samples, `commands` says it as a `gan sample`, and `server` is
the HTTP between them; `page.*` and the modules beside it run in the browser.
"""
