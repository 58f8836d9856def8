"""`gan explore`: a page on this machine to play with a generator.

`requests` is what the page may ask, `service` answers it with samples, and `server` is the HTTP between them; `page.*`
and the modules beside it run in the browser.
"""
