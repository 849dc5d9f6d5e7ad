"""A review: what a deployment would do, for the person who approves it. Its stages, in their order:

`command` takes the options; `base` first deploys a commit to a lab of its own, where that is asked for
`plan` reads what the engine wrote of a preview
`dangers` says what of it is dangerous, `access` what access it widens, `clients` whom it cuts off
`content` makes a `model.StackReview` of all that, `values` of each property: no secret gets beyond here
`acknowledgements` says which dangers somebody has agreed to, and so whether the gate is open
`text`, `markdown` and `document` render it; `kept_plan` keeps the plan that may be applied
"""
